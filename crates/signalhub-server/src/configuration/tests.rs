//! Configuration, row by row.

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn load(file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Configuration, String> {
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let path =
        std::env::temp_dir().join(format!("signalhub-{}-{:?}.toml", std::process::id(), std::thread::current().id()));
    std::fs::write(&path, file).unwrap();
    let loaded = Configuration::load(Some(&path), owned(variables), &owned(flags));
    std::fs::remove_file(&path).unwrap();
    loaded.map_err(|error| error.to_string().replace(&path.display().to_string(), "FILE"))
}

fn written(configuration: &Configuration, name: &str) -> String {
    let key = KEYS.iter().find(|key| format!("{}.{}", key.section, key.name) == name).unwrap();
    (key.written)(configuration)
}

#[test]
fn every_key_has_a_doc_and_a_default_that_its_own_parser_accepts() {
    for key in KEYS {
        assert!(key.doc.starts_with(' ') && key.doc.ends_with('.'), "{}: {}", key.name, key.doc);
        let text = key.default_text();
        if text.is_empty() {
            continue;
        }
        let mut configuration = Configuration::default();
        let file = format!("[{}]\n{} = {text}\n", key.section, key.name);
        configuration.read_toml("file", &file).unwrap();
        assert_eq!((key.written)(&configuration), text, "{}.{}", key.section, key.name);
    }
}

#[test]
fn values_are_read_from_every_source() {
    let rows = [
        ("listen.public", "\"[::]:80\"", "[::]:80"),
        ("listen.internal", "\"\"", ""),
        ("listen.internal", "\"[::1]:81\"", "[::1]:81"),
        ("listen.trusted_proxies", "[\"10.0.0.0/8\", \"::1\"]", "10.0.0.0/8,::1"),
        ("listen.forwarded_header", "\"forwarded\"", "forwarded"),
        ("limits.connections", "20000", "20000"),
        ("limits.connections_per_user", "\"unlimited\"", "unlimited"),
        ("limits.file_descriptor_headroom", "0", "0"),
        ("cors.origins", "[\"https://a.example\", \"http://b.example:81\"]", "https://a.example,http://b.example:81"),
        ("limits.invocation_rate", "\"5/s\"", "5/s"),
        ("limits.invocation_rate", "\"unlimited\"", "unlimited"),
        ("publish.rate", "\"5/m\"", "5/m"),
        ("publish.rate", "\"7/h\"", "7/h"),
        ("publish.rate", "\"unlimited\"", "unlimited"),
        ("auth.issuer", "\"me\"", "me"),
        ("auth.leeway", "\"5m\"", "300s"),
        ("tls.reload_interval", "\"100ms\"", "100ms"),
        ("auth.default_grants", "\"none\"", "none"),
        ("hub.keep_alive_interval", "\"500ms\"", "500ms"),
        ("listen.public_url", "\"https://hub.example/realtime\"", "https://hub.example/realtime"),
        ("auth.tickets", "\"all\"", "all"),
        ("hub.client_timeout_interval", "\"1m\"", "1m"),
        ("hub.maximum_receive_message_size", "\"2MiB\"", "2MiB"),
        ("hub.maximum_parallel_invocations_per_client", "4", "4"),
        ("hub.enable_detailed_errors", "true", "true"),
        ("publish.maximum_body_size", "\"100B\"", "100B"),
        ("events.with_resources", "[\"a\", \"b\"]", "a,b"),
        ("events.allow_unknown", "true", "true"),
        ("log.level", "\"info,signalhub=debug\"", "info,signalhub=debug"),
        (
            "cluster.redis",
            "[\"redis://10.0.0.5:6379\", \"rediss+sentinel://a:26379,b:1/main\"]",
            "redis://10.0.0.5 rediss+sentinel://a,b:1/main",
        ),
        ("cluster.node", "\"node-1\"", "node-1"),
        ("cluster.listen", "\"10.0.0.7:3002\"", "10.0.0.7:3002"),
        ("cluster.advertise", "\"node-1.internal:3002\"", "node-1.internal:3002"),
        ("cluster.prefix", "\"other:\"", "other:"),
        ("cluster.channel_prefix", "\"\"", ""),
        ("log.format", "\"json\"", "json"),
    ];
    for (name, toml, text) in rows {
        let (section, key) = name.split_once('.').unwrap();
        let variable = format!("SIGNALHUB_{}__{}", section.to_uppercase(), key.to_uppercase());
        let file = load(&format!("[{section}]\n{key} = {toml}"), &[], &[]).unwrap();
        let environment = load("", &[(&variable, text)], &[]).unwrap();
        let flag = load("", &[], &[(name, text)]).unwrap();
        assert_eq!(written(&file, name), toml, "{name} in the file");
        assert_eq!(written(&environment, name), toml, "{variable}");
        assert_eq!(written(&flag, name), toml, "{name} as a flag");
    }
}

#[test]
fn later_sources_win() {
    let file = "[publish]\nkeys = [\"file\"]\n[log]\nlevel = \"warn\"\n[listen]\npublic = \"file:1\"";
    let variables = [
        ("SIGNALHUB_PUBLISH__KEYS", "k1, k2"),
        ("SIGNALHUB_LISTEN__PUBLIC", "variable:1"),
        ("PATH", "not ours"),
        ("SIGNALHUB", "not ours"),
    ];
    let configuration = load(file, &variables, &[("listen.public", "flag:1")]).unwrap();
    let keys: Vec<&str> = configuration.publish.keys.iter().map(ApiKey::reveal).collect();
    assert_eq!(keys, ["k1", "k2"]);
    assert_eq!(configuration.listen.public.as_str(), "flag:1");
    assert_eq!(configuration.log.level.as_str(), "warn");
}

#[test]
fn what_is_wrong_is_refused_with_its_place() {
    let rows = [
        ("[hub]\n\nkeepalive = 1", "FILE, line 3: unknown key \"hub.keepalive\": expected hub.keep_alive_interval, "),
        (
            "[listen]\n[clusters]\nnode = 1",
            "FILE, line 2: unknown key \"clusters\": expected a key of the sections listen, ",
        ),
        ("public = \"a:1\"", "FILE, line 1: unknown key \"public\": expected a key of the sections"),
        ("hub = 1", "FILE, line 1: \"hub\" is a section: expected [hub] and keys below it"),
        ("[auth]\n[auth]", "FILE, line 2: "),
        ("[hub]\nhandshake_timeout = 15", "FILE, line 2: \"hub.handshake_timeout\": expected a time such as \"15s\""),
        ("[auth]\nleeway = \"301s\"", "FILE, line 2: \"auth.leeway\": expected a time of at most \"5m\""),
        ("[auth]\nleeway = \"300001ms\"", "expected a time of at most"),
        ("[tls]\nreload_interval = \"99ms\"", "\"tls.reload_interval\": expected a time of at least \"100ms\""),
        ("[tls]\nreload_interval = \"0s\"", "expected a time of at least"),
        ("[auth]\nleeway = \"99999d\"", "expected a time of at most"),
        ("[hub]\nhandshake_timeout = \"15\"", "FILE, line 2: \"hub.handshake_timeout\": expected a time"),
        ("[hub]\nhandshake_timeout = \"99999999999999999d\"", "expected a time"),
        ("[hub]\nmaximum_receive_message_size = \"0B\"", "expected a size"),
        ("[hub]\nmaximum_receive_message_size = \"32KB\"", "expected a size"),
        ("[hub]\nmaximum_parallel_invocations_per_client = 0", "expected a whole number from 1"),
        ("[hub]\nenable_detailed_errors = \"yes\"", "expected true or false"),
        ("[listen]\npublic = \"localhost\"", "expected a host and a port"),
        ("[listen]\npublic = \"::1:3000\"", "expected a host and a port"),
        ("[events]\nwith_resources = [\"\"]", "expected a list"),
        ("[listen]\ninternal = \"3001\"", "expected a host and a port such as \"127.0.0.1:3001\", or \"\" for none"),
        ("[listen]\ntrusted_proxies = [\"proxy\"]", "expected a list of addresses or networks"),
        ("[cors]\norigins = [\"*\"]", "expected a list of origins"),
        ("[limits]\nconnections = 0", "expected a whole number from 1, or \"unlimited\""),
        ("[limits]\nfile_descriptor_headroom = -1", "expected a whole number"),
        ("[publish]\nrate = \"0/s\"", "expected a rate such as \"1000/s\""),
        ("[limits]\ninvocation_rate = \"0/s\"", "expected a rate"),
        ("[limits]\ninvocation_rate = \"5/m\"", "expected a rate"),
        ("[publish]\nrate = 1000", "expected a rate"),
        ("[publish]\nrate = \"10/d\"", "expected a rate"),
        ("[cluster]\nredis = \"redis://a\"", "FILE, line 2: \"cluster.redis\": expected a list of URLs"),
        (
            "[cluster]\nredis = [\"redis://a,b\"]",
            "\"cluster.redis\": expected one server in each URL: Redis Cluster is not",
        ),
        ("[cluster]\nredis = [\"http://a\"]", "\"cluster.redis\": expected a URL with redis://"),
        ("[cluster]\nsecret = [\"short\"]", "\"cluster.secret\": expected"),
        ("[cluster]\nnode = \"a\\nb\"", "\"cluster.node\": expected a name of 1 to 64 letters"),
        ("[cluster]\nadvertise = \"10.0.0.7\"", "\"cluster.advertise\": expected a host and a port"),
        ("[cluster]\nprefix = \"a b\"", "\"cluster.prefix\": expected at most 128 visible"),
        ("[log]\nlevel = \"loud\"", "expected \"error\", \"warn\""),
        ("[log]\nformat = \"xml\"", "expected \"text\" or \"json\""),
        ("[listen]\npublic_url = \"hub.example\"", "expected a URL with http or https, a host and an optional path"),
        ("[auth]\ntickets = true", "expected \"browsers\", \"all\" or \"off\""),
        ("[auth]\ndefault_grants = true", "expected \"all\" or \"none\""),
    ];
    for (file, expected) in rows {
        let error = load(file, &[], &[]).unwrap_err();
        assert!(error.contains(expected), "{file}: {error}");
    }
    let long = format!("[events]\nwithout_resources = [\"{}\"]", "x".repeat(257));
    assert!(load(&long, &[], &[]).unwrap_err().contains("1 to 256 bytes"));
    let error = load("", &[("SIGNALHUB_HUB__FOO", "1")], &[]).unwrap_err();
    assert!(error.starts_with("environment variable SIGNALHUB_HUB__FOO: unknown key \"hub.foo\""), "{error}");
    let error = load("", &[("SIGNALHUB_FOO", "1")], &[]).unwrap_err();
    assert!(error.starts_with("environment variable SIGNALHUB_FOO: unknown key \"foo\""), "{error}");
    let error = load("", &[], &[("log.format", "xml")]).unwrap_err();
    assert_eq!(error, "--set log.format: \"log.format\": expected \"text\" or \"json\"");
    let missing = Configuration::load(Some("/there/is/no/such.toml".as_ref()), [], &[]).unwrap_err().to_string();
    assert!(missing.starts_with("/there/is/no/such.toml: "), "{missing}");
}

#[test]
fn secrets_are_shown_by_nothing() {
    let cluster = format!(
        "[cluster]\nsecret = [\"{SECRET}\"]\nredis_password = \"hidden\"\nredis = [\"redis://hidden:hidden@a\"]"
    );
    let file =
        format!("[auth]\nsecret = \"{SECRET}\"\n[publish]\nkeys = [\"hidden-key-of-twenty-characters\"]\n{cluster}");
    let configuration = load(&file, &[], &[]).unwrap();
    let secret = configuration.auth.secret.as_ref().unwrap();
    assert_eq!(secret.reveal(), SECRET);
    let key = &configuration.publish.keys[0];
    let shown = [
        format!("{configuration:?} {secret} {key}"),
        written(&configuration, "auth.secret"),
        written(&configuration, "publish.keys"),
        written(&configuration, "cluster.secret"),
        written(&configuration, "cluster.redis"),
        written(&configuration, "cluster.redis_password"),
        load("[cluster]\nredis = [\"redis://hidden:hidden@a:b\"]", &[], &[]).unwrap_err(),
        load("", &[("SIGNALHUB_CLUSTER__REDIS", "redis://hidden:hidden@a,b")], &[]).unwrap_err(),
        load("[auth]\nsecret = \"hidden\"", &[], &[]).unwrap_err(),
        load("[auth]\nsecret = \"hidden", &[], &[]).unwrap_err(),
        load("[publish]\nkeys = [\"hidden key\"]", &[], &[]).unwrap_err(),
        load("", &[("SIGNALHUB_AUTH__SECRET", "hidden")], &[]).unwrap_err(),
    ];
    for text in shown {
        assert!(!text.contains("hidden") && !text.contains(SECRET), "{text}");
    }
}
