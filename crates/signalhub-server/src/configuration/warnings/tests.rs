use super::*;

/// The warnings of a configuration file, where plenty of files may be open.
fn warnings_of(file: &str) -> Vec<String> {
    let mut configuration = Configuration::default();
    configuration.read_toml("file", file).unwrap();
    warnings(&configuration, Some(1_000_000))
}

#[test]
fn each_harmful_setting_is_one_sentence_that_names_its_key() {
    for (file, key) in [
        ("[hub]\nkeep_alive_interval = \"30s\"", "hub.keep_alive_interval"),
        (
            "[tls]\nclient_auth = \"optional\"",
            "tls.client_auth without publish.listen: every client of listen.public will be asked",
        ),
        (
            "[tls]\nclient_auth = \"required\"",
            "tls.client_auth without publish.listen: every client of listen.public will need",
        ),
        ("[hub]\nkeep_alive_interval = \"29s\"", "hub.keep_alive_interval"),
        ("[hub]\nclient_timeout_interval = \"29s\"", "hub.client_timeout_interval"),
        ("[hub]\ntransport_max_buffer_size = \"4095KiB\"", "hub.transport_max_buffer_size"),
        ("[publish]\nmaximum_body_size = \"5MiB\"", "publish.maximum_body_size"),
        ("[limits]\nqueued_bytes = \"15MiB\"", "limits.queued_bytes"),
        ("[listen]\ntrusted_proxies = [\"10.0.0.1\"]\n[limits]\nidle_timeout = \"59s\"", "limits.idle_timeout"),
        ("[hub]\nstateful_reconnect = true\ndisconnect_timeout = \"1s\"", "hub.disconnect_timeout"),
        ("[auth]\nticket_lifetime = \"0s\"", "auth.ticket_lifetime"),
        (
            "[hub]\nstateful_reconnect = true\nstateful_reconnect_buffer_size = \"17MiB\"",
            "hub.stateful_reconnect_buffer_size",
        ),
        ("[history]\ndirectory = \"/var/lib/hub\"", "history.directory is set and history.store is not"),
        ("[history]\noverrides = { \"portos.*\" = { events = 5 } }", "history.overrides has \"portos.*\""),
        ("[cluster]\nlisten = \"10.0.0.7:3002\"", "cluster.redis is not set"),
        ("[cluster]\nredis = [\"redis://:secret@10.0.0.5\"]", "cluster.redis has redis://10.0.0.5:6379"),
        (
            "[cluster]\nredis = [\"redis://10.0.0.5\"]\nredis_password = \"secret\"",
            "cluster.redis has redis://10.0.0.5:6379",
        ),
        (
            "[cluster]\nredis = [\"redis://10.0.0.5\"]\n[history]\nstore = \"disk\"\ndirectory = \"/var/lib/hub\"\nqueue = 5",
            "cluster.redis is set: history.store, history.directory and history.queue will not be used",
        ),
        (
            "[cluster]\nredis = [\"redis://10.0.0.5\"]\n[history]\nstore = \"memory\"",
            "cluster.redis is set: history.store will not be used",
        ),
        ("[[auth.issuers]]\nissuer = \"a\"\npem = \"a.pem\"", "auth.issuers[0] has no audience"),
        (
            "[[auth.issuers]]\nissuer = \"a\"\njwks = \"a.json\"\naudience = \"hub\"\nroles_claim = \"roles\"\n\
             grants_by_role = { a = [\"*\"] }",
            "auth.default_grants is all",
        ),
        (
            "[auth]\nissuer = \"b\"\n[[auth.issuers]]\nissuer = \"b\"\njwks = \"b.json\"\naudience = \"hub\"",
            "auth.issuer is also auth.issuers[0].issuer",
        ),
    ] {
        let warnings = warnings_of(file);
        let [warning] = &warnings[..] else { panic!("{file}: {warnings:?}") };
        assert!(warning.contains(key) && warning.contains(" will ") && !warning.contains('\n'), "{warning}");
    }
}

#[test]
fn harmless_settings_have_no_warning() {
    for file in [
        "",
        "[hub]\nkeep_alive_interval = \"28s\"\nclient_timeout_interval = \"30s\"",
        "[limits]\nidle_timeout = \"10s\"",
        "[cluster]\nredis = [\"redis://10.0.0.5\", \"rediss://:secret@10.0.0.6\"]",
        "[cluster]\nredis = [\"redis://10.0.0.5\"]\n[history]\nevents = 5\nage = \"1h\"",
        "[auth]\ntickets = \"off\"\nticket_lifetime = \"0s\"",
        "[[auth.issuers]]\nissuer = \"a\"\nsecret = \"a secret of at least thirty-two bytes\"",
        "[auth]\ndefault_grants = \"none\"\n[[auth.issuers]]\nissuer = \"a\"\npem = \"a.pem\"\naudience = [\"hub\"]\n\
         roles_claim = \"roles\"\ngrants_by_role = { a = [\"*\"] }",
        "[hub]\ndisconnect_timeout = \"1s\"\nstateful_reconnect_buffer_size = \"17MiB\"\ntransport_max_buffer_size = \"4MiB\"",
    ] {
        assert_eq!(warnings_of(file), [""; 0], "{file}");
    }
}

#[test]
fn connections_need_files() {
    let mut configuration = Configuration::default();
    configuration.read_toml("file", "[limits]\nconnections = 904").unwrap();
    assert_eq!(warnings(&configuration, Some(1000)), [""; 0]);
    let few = warnings(&configuration, Some(999));
    assert!(few[0].contains("sockets beyond 903 will be refused"), "{few:?}");
    assert_eq!(warnings(&configuration, None), [""; 0]);
    configuration.read_toml("file", "[limits]\nconnections = \"unlimited\"").unwrap();
    assert_eq!(warnings(&configuration, Some(1_000_000)).len(), 1);
}
