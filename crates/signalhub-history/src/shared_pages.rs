//! Pages that were read a moment ago. Clients that come back together, as after a restart, ask for the same ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signalhub_events::{Epoch, LogUnavailable, Page, ReadRange};
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// How long a page is shared. Events that are removed meanwhile are still in it.
const SHARED: Duration = Duration::from_secs(1);

/// How many pages are kept, of at most a mebibyte each.
const PAGES: usize = 8;

/// What reading a page gave. Those that ask while it is read wait for it.
type Cell = Arc<OnceCell<Result<Page, LogUnavailable>>>;

/// The latest pages.
#[derive(Debug, Default)]
pub(crate) struct SharedPages(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    /// Another epoch may have other events at the same offsets.
    epoch: Epoch,
    range: ReadRange,
    begun: Instant,
    page: Cell,
}

impl SharedPages {
    /// Returns a page that another reader has asked for a moment ago, or reads it.
    pub(crate) async fn get(
        &self,
        epoch: Epoch,
        range: ReadRange,
        read: impl AsyncFnOnce(ReadRange) -> Result<Page, LogUnavailable>,
    ) -> Result<Page, LogUnavailable> {
        let through = range.through;
        let cell = self.cell(epoch, &range, Instant::now());
        let page = cell.get_or_init(|| read(range)).await.clone();
        // A page that does not go as far as it was asked for may be longer the next time.
        if !page.as_ref().is_ok_and(|page| page.through == through) {
            self.lock().retain(|entry| !Arc::ptr_eq(&entry.page, &cell));
        }
        page
    }

    fn cell(&self, epoch: Epoch, range: &ReadRange, now: Instant) -> Cell {
        let mut entries = self.lock();
        entries.retain(|entry| now.duration_since(entry.begun) < SHARED);
        if let Some(entry) = entries.iter().find(|entry| entry.epoch == epoch && entry.range == *range) {
            return Arc::clone(&entry.page);
        }
        if entries.len() == PAGES {
            entries.remove(0);
        }
        let page = Cell::default();
        entries.push(Entry { epoch, range: range.clone(), begun: now, page: Arc::clone(&page) });
        page
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
