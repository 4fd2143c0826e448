//! Keys: their file, and what a change does to connections.

use std::fs;
use std::process::Command;
use std::time::Duration;

use signalhub_dialects::printfactory::{KeyChange, KeyFileError, MisKeys, Notifications, Reloaded};

use crate::support::{Folder, start, until};

#[tokio::test]
async fn a_change_of_a_key_closes_its_connection_and_no_other() {
    let dialect = start().await;
    let mut apart = dialect.connect(&dialect.key("other", "ann")).await;
    for (change, reason) in [
        (KeyChange::Regenerate, "the MisKey is no longer valid"),
        (KeyChange::Cancel, "the MisKey is no longer valid"),
        (KeyChange::Notifications(Notifications::Off), "Notifications are disabled"),
    ] {
        let user = format!("{change:?}");
        let key = dialect.key("acme", &user);
        let mut client = dialect.connect(&key).await;
        // The key of another user of the organisation is not its key.
        let other = dialect.key("acme", &format!("{user} 2"));
        dialect.keys.change("acme", &format!("{user} 2"), change).await.unwrap();
        let new = dialect.keys.change("acme", &user, change).await.unwrap();
        assert_eq!(client.closed().await, (1008, reason.to_owned()), "{change:?}");
        drop(client);
        assert_ne!(dialect.refusal(Some(other.reveal())).await.0, 101);
        assert_ne!(dialect.refusal(Some(key.reveal())).await.0, 101);
        until(|| dialect.counts.active() == 1).await;
        if let Some(new) = new {
            drop(dialect.connect(&new).await);
            until(|| dialect.counts.active() == 1).await;
        }
    }
    let guid = "{\"JobGUID\":\"dd6bddf6-74ba-4bd0-ac48-94a251a8eca6\"}";
    dialect.publish("printfactory.job.changed", guid, "other").await;
    assert_eq!(apart.text().await, guid);
}

#[tokio::test]
async fn a_running_server_notices_what_another_process_changed() {
    let dialect = start().await;
    let key = dialect.folder.keys().change("acme", "ann", KeyChange::Generate).unwrap().unwrap();
    assert_eq!(dialect.refusal(Some(key.reveal())).await.0, 401);
    assert_eq!(dialect.keys.reload().unwrap(), Reloaded::Replaced);
    let mut client = dialect.connect(&key).await;
    dialect.folder.keys().change("acme", "ann", KeyChange::Cancel).unwrap();
    assert_eq!(dialect.keys.reload().unwrap(), Reloaded::Replaced);
    assert_eq!(client.closed().await.0, 1008);
    assert_eq!(dialect.keys.reload().unwrap(), Reloaded::Unchanged);
}

#[tokio::test]
async fn keys_survive_a_restart_and_are_kept_hashed() {
    let folder = Folder::new();
    let key = folder.keys().change("acme", "ann", KeyChange::Generate).unwrap().unwrap();
    let content = fs::read_to_string(folder.keys().path()).unwrap();
    assert!(!content.to_lowercase().contains(key.reveal()), "{content}");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(folder.keys().path()).unwrap().permissions().mode() & 0o777, 0o600);
    let entries = folder.keys().list().unwrap();
    assert_eq!((&*entries[0].organisation, &*entries[0].user), ("acme", "ann"));
    // What a process left that was killed while it replaced the file, in any state, changes nothing.
    fs::write(folder.0.join("keys.json.new"), &content[..content.len() / 2]).unwrap();
    assert_eq!(folder.keys().list().unwrap(), entries);
    let other = folder.keys().change("acme", "bob", KeyChange::Generate).unwrap().unwrap();
    assert_ne!(other.reveal(), key.reveal());
    assert_eq!(folder.keys().list().unwrap().len(), 2);
    assert!(!folder.0.join("keys.json.new").exists());
}

#[test]
fn changes_that_are_not_possible_are_refused_and_change_nothing() {
    let folder = Folder::new();
    let file = folder.keys();
    file.change("acme", "ann", KeyChange::Generate).unwrap();
    let content = fs::read(file.path()).unwrap();
    for (user, change, expected) in [
        (
            "ann",
            KeyChange::Generate,
            "user \"ann\" of organisation \"acme\" has a key already: regenerate it to replace it",
        ),
        ("bob", KeyChange::Regenerate, "user \"bob\" of organisation \"acme\" has no key"),
        ("bob", KeyChange::Cancel, "user \"bob\" of organisation \"acme\" has no key"),
        ("bob", KeyChange::Notifications(Notifications::Off), "user \"bob\" of organisation \"acme\" has no key"),
        ("", KeyChange::Generate, "the names of organisation and user must have 1 to 256 bytes"),
    ] {
        assert_eq!(file.change("acme", user, change).unwrap_err().to_string(), expected);
    }
    assert_eq!(fs::read(file.path()).unwrap(), content);
}

#[test]
fn a_file_that_cannot_be_used_keeps_the_old_keys() {
    let folder = Folder::new();
    let key = folder.keys().change("acme", "ann", KeyChange::Generate).unwrap().unwrap();
    let keys = MisKeys::open(folder.keys()).unwrap();
    for content in ["", "{", "{\"keys\":[{\"sha256\":\"00\"}]}", "{\"keys\":[],\"other\":1}"] {
        fs::write(folder.keys().path(), content).unwrap();
        assert!(matches!(keys.reload(), Err(KeyFileError::Malformed { .. })), "{content}");
        assert!(matches!(MisKeys::open(folder.keys()), Err(KeyFileError::Malformed { .. })), "{content}");
        assert!(folder.keys().change("acme", "bob", KeyChange::Generate).is_err(), "{content}");
        assert_eq!(fs::read_to_string(folder.keys().path()).unwrap(), content);
    }
    fs::remove_file(folder.keys().path()).unwrap();
    assert!(matches!(keys.reload(), Err(KeyFileError::Unreadable { .. })));
    drop(key);
}

#[test]
fn changes_of_several_threads_do_not_undo_each_other() {
    let folder = Folder::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let file = folder.keys();
            scope.spawn(move || {
                for user in 0..10 {
                    file.change("acme", &format!("{thread} {user}"), KeyChange::Generate).unwrap();
                }
            });
        }
    });
    assert_eq!(folder.keys().list().unwrap().len(), 40);
}

#[tokio::test]
async fn a_pipe_in_place_of_the_keys_is_refused_at_once() {
    let dialect = start().await;
    let key = dialect.key("acme", "ann");
    let path = dialect.folder.keys().path().to_owned();
    fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let keys = dialect.keys.clone();
    // Its time limit is for the case that it waits for a writer.
    let reload = tokio::task::spawn_blocking(move || keys.reload().map_err(|error| error.to_string()));
    let error = tokio::time::timeout(Duration::from_secs(20), reload).await.unwrap().unwrap().unwrap_err();
    assert!(error.ends_with("it is not a regular file"), "{error}");
    dialect.connect(&key).await;
}
