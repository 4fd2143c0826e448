use super::*;
use crate::testing::TemporaryDirectory;

#[test]
fn a_copy_of_the_locked_file_in_a_starting_process_does_not_keep_the_lock() {
    let temporary = TemporaryDirectory::new();
    let directory = Directory::new(temporary.path());
    let lock = directory.lock().unwrap();
    let copy = lock.file.try_clone().unwrap();
    assert!(matches!(directory.lock(), Err(OpenError::Locked { .. })));
    drop(lock);
    directory.lock().unwrap();
    drop(copy);
}
