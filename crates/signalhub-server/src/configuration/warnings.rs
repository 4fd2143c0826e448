//! Warnings about settings that are allowed but do not work well together.

use std::time::{Duration, SystemTime};

use super::{
    ClientCertificates, Configuration, DefaultGrants, HistoryStore, Listener, Maximum, Nearness, PublishClient,
    RedisUrl, TicketClients,
};

/// How long official clients wait for a message before they take the connection for lost (`serverTimeoutInMilliseconds`).
const SERVER_TIMEOUT_OF_CLIENTS: Duration = Duration::from_secs(30);

/// How often official clients ping (`keepAliveIntervalInMilliseconds`).
const PING_OF_CLIENTS: Duration = Duration::from_secs(15);

/// How often the server checks whether pings are due.
const TICK: Duration = Duration::from_secs(1);

/// How long common reverse proxies keep an idle connection to the server (nginx, `keepalive_timeout`).
const IDLE_TIME_OF_PROXIES: Duration = Duration::from_secs(60);

/// How many file descriptors are kept for the internal listener, and for that of publishers.
const DESCRIPTORS_OF_A_LISTENER: usize = 32;

/// How many of the largest batches a client's queue must hold, so that publishers wait for the client before the queue is full.
const BATCHES_IN_QUEUE: usize = 4;

/// Tells what will go wrong with these settings, one sentence each, with the keys to change.
///
/// `open_files` is how many files the process may have open, where that is known.
pub(crate) fn warnings(configuration: &Configuration, open_files: Option<usize>) -> Vec<String> {
    let descriptors = open_files.and_then(|open_files| descriptor_warning(configuration, open_files));
    let asked = client_certificate_warning(configuration);
    let settings = time_warnings(configuration).into_iter().chain(size_warnings(configuration)).flatten();
    let now = SystemTime::now();
    let clients = configuration.publish.clients.iter().enumerate();
    let expiries = clients.filter_map(|(index, client)| expiry_warning(index, client, now));
    settings
        .chain(issuer_warnings(configuration))
        .chain(expiries)
        .chain(asked)
        .chain(smc_warnings(configuration))
        .chain(history_warnings(configuration))
        .chain(cluster_warnings(configuration))
        .chain(key_file_warning(configuration))
        .chain(descriptors)
        .collect()
}

fn time_warnings(configuration: &Configuration) -> [Option<String>; 5] {
    let (hub, limits, auth) = (&configuration.hub, &configuration.limits, &configuration.auth);
    let keep_alive = (hub.keep_alive_interval + TICK >= SERVER_TIMEOUT_OF_CLIENTS).then(|| {
        format!(
            "hub.keep_alive_interval is {:?}: official clients that receive nothing for 30 s take the connection for lost, \
             so idle ones will reconnect again and again",
            hub.keep_alive_interval
        )
    });
    let client_timeout = (hub.client_timeout_interval < 2 * PING_OF_CLIENTS).then(|| {
        format!(
            "hub.client_timeout_interval is {:?}: official clients ping every 15 s, so one ping that is late or lost \
             will end an idle connection",
            hub.client_timeout_interval
        )
    });
    let behind_proxy = !configuration.listen.trusted_proxies.is_empty() && limits.idle_timeout < IDLE_TIME_OF_PROXIES;
    let idle = behind_proxy.then(|| {
        format!(
            "limits.idle_timeout is {:?}: proxies keep their connections for 60 s or longer, so requests that they \
             send on one that has just been closed will fail",
            limits.idle_timeout
        )
    });
    let resume = (hub.stateful_reconnect && hub.disconnect_timeout < 2 * TICK).then(|| {
        format!(
            "hub.disconnect_timeout is {:?}: no client will come back to its connection in that time, though \
             hub.stateful_reconnect allows it",
            hub.disconnect_timeout
        )
    });
    let ticket = (auth.tickets != TicketClients::Off && auth.ticket_lifetime < TICK).then(|| {
        format!(
            "auth.ticket_lifetime is {:?}: clients that are not near will not use their tickets in that time, and be refused",
            auth.ticket_lifetime
        )
    });
    [keep_alive, client_timeout, idle, resume, ticket]
}

fn size_warnings(configuration: &Configuration) -> [Option<String>; 3] {
    let (hub, publish, limits) = (&configuration.hub, &configuration.publish, &configuration.limits);
    let burst = publish.maximum_body_size.bytes().saturating_mul(BATCHES_IN_QUEUE);
    let queue = (hub.transport_max_buffer_size.bytes() < burst).then(|| {
        format!(
            "hub.transport_max_buffer_size is {} and publish.maximum_body_size {}: the queue of a client does not hold \
             {BATCHES_IN_QUEUE} of the largest batches, so clients that read them as fast as they can will be closed as \
             too slow",
            hub.transport_max_buffer_size, publish.maximum_body_size
        )
    });
    let all = (limits.queued_bytes < hub.transport_max_buffer_size).then(|| {
        format!(
            "limits.queued_bytes is {} and hub.transport_max_buffer_size {}: a client that needs its queue will be closed \
             as too slow before it is full",
            limits.queued_bytes, hub.transport_max_buffer_size
        )
    });
    let retained = hub.stateful_reconnect && hub.stateful_reconnect_buffer_size > hub.transport_max_buffer_size;
    let retained = retained.then(|| {
        format!(
            "hub.stateful_reconnect_buffer_size is {} and hub.transport_max_buffer_size {}: a client that is away will \
             be closed as too slow before its answers and streams wait for it",
            hub.stateful_reconnect_buffer_size, hub.transport_max_buffer_size
        )
    });
    [queue, all, retained]
}

fn smc_warnings(configuration: &Configuration) -> Vec<String> {
    let smc = &configuration.smc;
    if smc.listen == Listener::Off {
        return Vec::new();
    }
    let accounts = smc.accounts.is_empty().then(|| {
        "dialects.smc.listen is set and dialects.smc.accounts is empty: no SMC client will be able to log in".to_owned()
    });
    let listed = smc.versions.iter().any(|version| version.as_str().split('.').count() == 2);
    let versions = (!listed).then(|| {
        "dialects.smc.versions has no version of two numbers, such as 7.2: the list of versions will be empty, so the \
         vendor's Python client will not be able to log in"
            .to_owned()
    });
    accounts.into_iter().chain(versions).collect()
}

/// The keys of the history that a cluster does not use, because its events are in Redis.
const UNUSED_IN_CLUSTER: [&str; 5] =
    ["history.store", "history.directory", "history.sync_interval", "history.queue", "history.replays"];

fn history_warnings(configuration: &Configuration) -> Vec<String> {
    let history = &configuration.history;
    let is_alone = configuration.cluster.redis.is_empty();
    let unused = (is_alone && history.directory.is_some() && history.store != HistoryStore::Disk)
        .then(|| "history.directory is set and history.store is not \"disk\": no event will be on disk".to_owned());
    let patterns = history.overrides.0.keys().filter(|name| name.as_str().ends_with('*')).map(|name| {
        format!("history.overrides has \"{name}\": it will apply to the event of exactly this name, as there are no patterns")
    });
    unused.into_iter().chain(patterns).collect()
}

fn cluster_warnings(configuration: &Configuration) -> Vec<String> {
    let cluster = &configuration.cluster;
    if cluster.redis.is_empty() {
        let is_meant = cluster.listen != Listener::Off || !cluster.secret.is_empty();
        let alone = is_meant.then(|| {
            "cluster.redis is not set: there will be no cluster, though cluster.listen or cluster.secret is set"
                .to_owned()
        });
        return alone.into_iter().collect();
    }
    let unused: Vec<&str> =
        UNUSED_IN_CLUSTER.into_iter().filter(|key| configuration.places.of(key).is_some()).collect();
    let history = (!unused.is_empty()).then(|| {
        format!("cluster.redis is set: {} will not be used, because a cluster keeps its events in Redis", list(&unused))
    });
    let plain = cluster.redis.0.iter().map(RedisUrl::address).find(|address| !address.is_encrypted());
    let plain = plain.filter(|address| cluster.redis_password.is_some() || address.has_credentials());
    let plain = plain.map(|address| {
        format!("cluster.redis has {address}: the password will be sent to it without TLS, which rediss:// would use")
    });
    history.into_iter().chain(plain).collect()
}

/// Joins words, such as `a, b and c`.
fn list(words: &[&str]) -> String {
    match words {
        [others @ .., last] if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => words.concat(),
    }
}

fn key_file_warning(configuration: &Configuration) -> Option<String> {
    let (settings, is_alone) = (&configuration.printfactory, configuration.cluster.redis.is_empty());
    let path = settings.keys.path();
    let is_unused = settings.listen != Listener::Off && !is_alone && path.exists();
    is_unused.then(|| {
        format!(
            "dialects.printfactory.keys is not used with cluster.redis: the keys are in Redis. `signalhub miskey import {}` adds \
             those of the file; remove it then",
            path.display()
        )
    })
}

fn issuer_warnings(configuration: &Configuration) -> Vec<String> {
    let auth = &configuration.auth;
    let mut warnings = Vec::new();
    for (index, issuer) in auth.issuers.iter().enumerate() {
        if issuer.secret.is_none() && issuer.audience.0.is_empty() {
            warnings.push(format!(
                "auth.issuers[{index}] has no audience: tokens that {} made for other applications will be accepted",
                issuer.issuer
            ));
        }
        if !issuer.grants_by_role.0.is_empty() && auth.default_grants == DefaultGrants::All {
            warnings.push(format!(
                "auth.default_grants is all: users without a role of auth.issuers[{index}].grants_by_role will be \
                 allowed to subscribe to every event, unless their token has grants"
            ));
        }
        if auth.issuer.as_ref() == Some(&issuer.issuer) {
            warnings.push(format!(
                "auth.issuer is also auth.issuers[{index}].issuer: no token that auth.secret signs will be accepted"
            ));
        }
    }
    warnings
}

fn client_certificate_warning(configuration: &Configuration) -> Option<String> {
    let what = match configuration.tls.client_auth {
        ClientCertificates::None => return None,
        ClientCertificates::Optional => "will be asked for a certificate",
        ClientCertificates::Required => "will need a certificate",
    };
    (configuration.publish.listen == Listener::Off).then(|| {
        format!("tls.client_auth without publish.listen: every client of listen.public {what}, web pages included")
    })
}

/// Warns of the key of a client that has expired, or will soon.
pub(crate) fn expiry_warning(index: usize, client: &PublishClient, now: SystemTime) -> Option<String> {
    let expires = client.expires?;
    let what = match expires.nearness(now) {
        Nearness::Far => return None,
        Nearness::Soon => "expires soon, and will be refused from then on",
        Nearness::Past => "has expired, and is refused",
    };
    Some(format!("publish.clients[{index}]: the access of {} {what} ({expires})", client.name.as_str()))
}

/// How many descriptors the public listener leaves free for the process and for the other listeners, so that publishers and probes are
/// answered even when clients use all others.
pub(crate) fn reserved_descriptors(configuration: &Configuration) -> usize {
    publishers_reserved_descriptors(configuration).saturating_add(descriptors_of(&configuration.publish.listen))
}

/// How many descriptors the listener of publishers leaves free.
pub(crate) fn publishers_reserved_descriptors(configuration: &Configuration) -> usize {
    let internal = descriptors_of(&configuration.listen.internal);
    configuration.limits.file_descriptor_headroom.saturating_add(internal)
}

fn descriptors_of(listener: &Listener) -> usize {
    match listener {
        Listener::Off => 0,
        Listener::At(_) => DESCRIPTORS_OF_A_LISTENER,
    }
}

fn descriptor_warning(configuration: &Configuration, open_files: usize) -> Option<String> {
    let usable = open_files.saturating_sub(reserved_descriptors(configuration));
    let connections = match configuration.limits.connections {
        Maximum::Of(count) if count.get() <= usable => return None,
        Maximum::Of(count) => count.to_string(),
        Maximum::Unlimited => "unlimited".to_owned(),
    };
    Some(format!(
        "limits.connections is {connections}, and the process may have {open_files} files open (ulimit -n, LimitNOFILE): \
         sockets beyond {usable} will be refused with 503"
    ))
}
#[cfg(test)]
mod tests;
