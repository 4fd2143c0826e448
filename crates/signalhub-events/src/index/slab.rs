//! Storage with stable small numbers.

/// Keeps values under numbers that stay valid until the value is removed, and are reused afterwards.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    cells: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { cells: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Stores a value and returns its number.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(number) = self.free.pop() {
            self.cells[number as usize] = Some(value);
            return number;
        }
        let number = u32::try_from(self.cells.len()).expect("four thousand million values do not fit into memory");
        self.cells.push(Some(value));
        number
    }

    /// Takes a value out and frees its number.
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let value = self.cells.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(value)
    }

    /// Returns the value under a number.
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.cells.get(number as usize)?.as_ref()
    }

    /// Returns the value under a number, to change it.
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.cells.get_mut(number as usize)?.as_mut()
    }

    /// Returns the values under the numbers from `from` on, of `count` numbers; `None` if there are no such numbers.
    pub(crate) fn some(&self, from: usize, count: usize) -> Option<impl Iterator<Item = (u32, &T)>> {
        let end = self.cells.len().min(from.saturating_add(count));
        let cells = self.cells.get(from..end).filter(|cells| !cells.is_empty())?;
        Some((from as u32..).zip(cells).filter_map(|(number, cell)| Some((number, cell.as_ref()?))))
    }

    /// Counts the values.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.cells.len() - self.free.len()
    }
}
