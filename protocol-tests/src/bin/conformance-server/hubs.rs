//! The methods of the recorded hubs.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use signalhub::protocol::{AnyValue, Timestamp};
use signalhub::{
    Args, Caller, Cancellation, Clients, ConnectionId, Groups, HubBuilder, HubError, Policy, Upload, require,
};
use time::macros::datetime;

/// Adds every method of the recorded conformance hub.
pub(crate) fn conformance(hub: HubBuilder<()>) -> HubBuilder<()> {
    hub.method("EchoString", echo::<Option<String>>)
        .method("EchoInt", echo::<i32>)
        .method("EchoDouble", echo::<f64>)
        .method("EchoAny", echo::<AnyValue>)
        .method("EchoObject", echo::<ComplexObject>)
        .method("EchoBytes", echo::<Bytes>)
        .method("Add", async |Args((a, b)): Args<(i32, i32)>| Ok(a.wrapping_add(b)))
        .method("NoResult", async || Ok(()))
        .method("ReturnNull", async || Ok(None::<String>))
        .method("Throw", throw)
        .method("ThrowHub", async |Args((text,)): Args<(String,)>| Err::<(), _>(HubError::new(text)))
        .method("Delay", delay)
        .method("SendSelf", send_self)
        .method("SendSelfMany", send_self_many)
        .method("SendAll", send_all)
        .method("SendOthers", send_others)
        .method("Join", async |caller: Caller, groups: Groups, Args((group,)): Args<(String,)>| {
            groups.add(caller.id(), &group);
            Ok(())
        })
        .method("Leave", async |caller: Caller, groups: Groups, Args((group,)): Args<(String,)>| {
            groups.remove(caller.id(), &group);
            Ok(())
        })
        .method("SendGroup", send_group)
        .method("SendGroupOthers", send_group_others)
        .method("SendUser", send_user)
        .method("AskCaller", ask_caller)
        .stream("Count", count)
        .stream("CountCancellable", count_cancellable)
        .stream("CountThenThrow", async |Args((n,)): Args<(u32,)>| {
            Ok(count_then(n, HubError::internal("InvalidOperationException", "stream failed")))
        })
        .stream("CountThenThrowHub", async |Args((n,)): Args<(u32,)>| {
            Ok(count_then(n, HubError::new("stream refused")))
        })
        .method("Sum", sum)
        .method("JoinTwo", join_two)
        .stream("UploadEcho", async |values: Upload<String>| Ok(values))
        .method("ConnectionId", async |caller: Caller| Ok::<ConnectionId, _>(caller.id().clone()))
        .method("User", async |caller: Caller| Ok(caller.user().map(str::to_owned)))
        .method("AbortSelf", abort_self)
        .method("Restricted", require(Policy::authenticated(), restricted))
        .method("renamed", async || Ok("renamed result"))
}

/// Says hello at once and is ready half a second later.
pub(crate) async fn greet(clients: Clients) -> Result<(), HubError> {
    clients.caller().send("Hello", ()).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    clients.caller().send("Ready", ()).await?;
    Ok(())
}

async fn echo<T>(Args((value,)): Args<(T,)>) -> Result<T, HubError> {
    Ok(value)
}

async fn throw(Args((text,)): Args<(String,)>) -> Result<(), HubError> {
    Err(HubError::internal("InvalidOperationException", text))
}

async fn delay(Args((milliseconds,)): Args<(u64,)>) -> Result<&'static str, HubError> {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    Ok("done")
}

async fn send_self(clients: Clients, Args((method, argument)): Args<(String, String)>) -> Result<(), HubError> {
    Ok(clients.caller().send(&method, (argument,)).await?)
}

async fn send_self_many(clients: Clients, Args((method,)): Args<(String,)>) -> Result<(), HubError> {
    #[derive(Serialize)]
    struct Three {
        three: f64,
    }
    Ok(clients.caller().send(&method, (1, "two", (), true, Three { three: 3.5 })).await?)
}

async fn send_all(clients: Clients, Args((method, argument)): Args<(String, String)>) -> Result<(), HubError> {
    Ok(clients.all().send(&method, (argument,)).await?)
}

async fn send_others(clients: Clients, Args((method, argument)): Args<(String, String)>) -> Result<(), HubError> {
    Ok(clients.others().send(&method, (argument,)).await?)
}

async fn send_group(
    clients: Clients,
    Args((group, method, argument)): Args<(String, String, String)>,
) -> Result<(), HubError> {
    Ok(clients.group(&group).send(&method, (argument,)).await?)
}

async fn send_group_others(
    clients: Clients,
    Args((group, method, argument)): Args<(String, String, String)>,
) -> Result<(), HubError> {
    Ok(clients.others_in_group(&group).send(&method, (argument,)).await?)
}

async fn send_user(
    clients: Clients,
    Args((user, method, argument)): Args<(String, String, String)>,
) -> Result<(), HubError> {
    Ok(clients.user(&user).send(&method, (argument,)).await?)
}

async fn ask_caller(clients: Clients, Args((method, argument)): Args<(String, String)>) -> Result<String, HubError> {
    Ok(clients.caller().invoke(&method, (argument,)).await?)
}

/// Counts without looking whether anybody still listens, as the recorded method does: it takes its cancellation and
/// ignores it.
async fn count(
    _: Cancellation,
    Args((n, delay)): Args<(u32, u64)>,
) -> Result<impl Stream<Item = Result<u32, HubError>>, HubError> {
    Ok(counting(n, Duration::from_millis(delay)))
}

async fn count_cancellable(
    Args((n, delay)): Args<(u32, u64)>,
) -> Result<impl Stream<Item = Result<u32, HubError>>, HubError> {
    Ok(counting(n, Duration::from_millis(delay)))
}

fn counting(n: u32, delay: Duration) -> impl Stream<Item = Result<u32, HubError>> {
    stream::iter(0..n).then(move |number| async move {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        Ok(number)
    })
}

fn count_then(n: u32, error: HubError) -> impl Stream<Item = Result<u32, HubError>> {
    stream::iter((0..n).map(Ok).chain([Err(error)]))
}

async fn sum(mut values: Upload<i32>) -> Result<i32, HubError> {
    let mut sum = 0;
    while let Some(value) = values.next().await {
        sum += value?;
    }
    Ok(sum)
}

async fn join_two(first: Upload<String>, second: Upload<String>) -> Result<String, HubError> {
    let parts: Vec<String> = first.chain(second).try_collect().await?;
    Ok(parts.join(","))
}

async fn abort_self(caller: Caller) -> Result<(), HubError> {
    caller.abort();
    Ok(())
}

async fn restricted() -> Result<&'static str, HubError> {
    Ok("secret")
}

/// An object with one property of each common kind; those that are missing keep their defaults.
///
/// JSON reads their names in any case, MessagePack only as they are.
#[derive(Deserialize, Serialize)]
#[serde(default, rename_all(deserialize = "PascalCase"))]
struct ComplexObject {
    id: i32,
    name: Option<String>,
    created: Timestamp,
    key: String,
    values: Option<Vec<i32>>,
}

impl Default for ComplexObject {
    fn default() -> Self {
        Self {
            id: 0,
            name: None,
            created: Timestamp(datetime!(0001-01-01 00:00 UTC)),
            key: "00000000-0000-0000-0000-000000000000".to_owned(),
            values: None,
        }
    }
}
