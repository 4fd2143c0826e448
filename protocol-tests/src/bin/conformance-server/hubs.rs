//! The methods of the recorded hubs, with the parameters of the original's.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use serde::Serialize;
use serde_json::Value;
use signalhub::protocol::AnyValue;
use signalhub::{
    Args, Caller, Cancellation, Clients, ConnectionId, Groups, HubBuilder, HubError, InvokeError, Policy, SendError,
    Target, Upload, require,
};

use crate::objects::ComplexObject;

/// Adds every method of the recorded conformance hub.
pub(crate) fn conformance(hub: HubBuilder<()>) -> HubBuilder<()> {
    hub.method("EchoString", echo::<Option<String>>)
        .method("EchoInt", echo::<i32>)
        .method("EchoDouble", echo::<f64>)
        .method("EchoAny", echo::<AnyValue>)
        .method("EchoObject", echo::<Option<ComplexObject>>)
        .method("EchoBytes", echo::<Option<Bytes>>)
        .method("Add", async |Args((a, b)): Args<(i32, i32)>| Ok(a.wrapping_add(b)))
        .method("NoResult", async || Ok(()))
        .method("ReturnNull", async || Ok(None::<String>))
        .method("Throw", throw)
        .method("ThrowHub", throw_hub)
        .method("Delay", delay)
        .method("SendSelf", send_self)
        .method("SendSelfMany", send_self_many)
        .method("SendAll", send_all)
        .method("SendOthers", send_others)
        .method("Join", join)
        .method("Leave", leave)
        .method("SendGroup", send_group)
        .method("SendGroupOthers", send_group_others)
        .method("SendUser", send_user)
        .method("AskCaller", ask_caller)
        .stream("Count", count)
        .stream("CountCancellable", count_cancellable)
        .stream("CountThenThrow", async |Args((n,)): Args<(i32,)>| {
            Ok(count_then(n, HubError::internal("InvalidOperationException", "stream failed")))
        })
        .stream("CountThenThrowHub", async |Args((n,)): Args<(i32,)>| {
            Ok(count_then(n, HubError::new("stream refused")))
        })
        .method("Sum", sum)
        .method("JoinTwo", join_two)
        .stream("UploadEcho", async |values: Upload<Option<String>>| Ok(values))
        .method("ConnectionId", async |caller: Caller| Ok::<ConnectionId, _>(caller.id().clone()))
        .method("User", async |caller: Caller| Ok(caller.user().map(str::to_owned)))
        .method("AbortSelf", abort_self)
        .method("Restricted", require(Policy::authenticated(), restricted))
        .method("renamed", async || Ok("renamed result"))
}

/// Sends a greeting at once and is ready half a second later.
pub(crate) async fn greet(clients: Clients) -> Result<(), HubError> {
    clients.caller().send("Hello", ()).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    clients.caller().send("Ready", ()).await?;
    Ok(())
}

async fn echo<T>(Args((value,)): Args<(T,)>) -> Result<T, HubError> {
    Ok(value)
}

async fn throw(Args((text,)): Args<(Option<String>,)>) -> Result<(), HubError> {
    let text = text.as_deref().unwrap_or("Operation is not valid due to the current state of the object.");
    Err(HubError::internal("InvalidOperationException", text))
}

async fn throw_hub(Args((text,)): Args<(Option<String>,)>) -> Result<(), HubError> {
    let text = text.unwrap_or("Exception of type 'Microsoft.AspNetCore.SignalR.HubException' was thrown.".to_owned());
    Err(HubError::new(text))
}

async fn delay(Args((milliseconds,)): Args<(i32,)>) -> Result<&'static str, HubError> {
    wait(milliseconds).await?;
    Ok("done")
}

/// Waits as `Task.Delay` does: -1 waits without end.
async fn wait(milliseconds: i32) -> Result<(), HubError> {
    match u64::try_from(milliseconds) {
        Ok(milliseconds) => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
        Err(_) if milliseconds == -1 => std::future::pending().await,
        Err(_) => {
            return Err(HubError::internal(
                "ArgumentOutOfRangeException",
                "The value needs to be either -1 (signifying an infinite timeout), 0 or a positive integer. \
                 (Parameter 'millisecondsDelay')",
            ));
        }
    }
    Ok(())
}

fn null(parameter: &str) -> HubError {
    HubError::internal("ArgumentNullException", format!("Value cannot be null. (Parameter '{parameter}')"))
}

/// Gives an argument that must not be null.
fn given(argument: Option<String>, parameter: &str) -> Result<String, HubError> {
    argument.ok_or_else(|| null(parameter))
}

/// Sends to some clients. A null or empty name fails only if there is a client to send to.
async fn send(target: Target, method: Option<String>, argument: Option<String>) -> Result<(), HubError> {
    let sent = target.send(method.as_deref().unwrap_or_default(), (argument,)).await;
    sent.map_err(|error| unsent(&method, error))
}

fn unsent(method: &Option<String>, error: SendError) -> HubError {
    match error {
        SendError::EmptyMethod if method.is_none() => null("target"),
        error => error.into(),
    }
}

type TwoTexts = Args<(Option<String>, Option<String>)>;
type ThreeTexts = Args<(Option<String>, Option<String>, Option<String>)>;

async fn send_self(clients: Clients, Args((method, argument)): TwoTexts) -> Result<(), HubError> {
    let sent = clients.caller().send(method.as_deref().unwrap_or_default(), (argument,)).await;
    sent.map_err(|error| unsent(&method, error))
}

async fn send_self_many(clients: Clients, Args((method,)): Args<(Option<String>,)>) -> Result<(), HubError> {
    #[derive(Serialize)]
    struct Three {
        three: f64,
    }
    let arguments = (1, "two", (), true, Three { three: 3.5 });
    let sent = clients.caller().send(method.as_deref().unwrap_or_default(), arguments).await;
    sent.map_err(|error| unsent(&method, error))
}

async fn send_all(clients: Clients, Args((method, argument)): TwoTexts) -> Result<(), HubError> {
    send(clients.all(), method, argument).await
}

async fn send_others(clients: Clients, Args((method, argument)): TwoTexts) -> Result<(), HubError> {
    send(clients.others(), method, argument).await
}

async fn send_group(clients: Clients, Args((group, method, argument)): ThreeTexts) -> Result<(), HubError> {
    send(clients.group(&given(group, "groupName")?), method, argument).await
}

async fn send_group_others(clients: Clients, Args((group, method, argument)): ThreeTexts) -> Result<(), HubError> {
    send(clients.others_in_group(&given(group, "groupName")?), method, argument).await
}

async fn send_user(clients: Clients, Args((user, method, argument)): ThreeTexts) -> Result<(), HubError> {
    send(clients.user(&given(user, "userId")?), method, argument).await
}

async fn join(caller: Caller, groups: Groups, Args((group,)): Args<(Option<String>,)>) -> Result<(), HubError> {
    groups.add(caller.id(), &given(group, "groupName")?).await?;
    Ok(())
}

async fn leave(caller: Caller, groups: Groups, Args((group,)): Args<(Option<String>,)>) -> Result<(), HubError> {
    groups.remove(caller.id(), &given(group, "groupName")?).await?;
    Ok(())
}

async fn ask_caller(clients: Clients, Args((method, argument)): TwoTexts) -> Result<Option<String>, HubError> {
    let asked = clients.caller().invoke(method.as_deref().unwrap_or_default(), (argument,)).await;
    asked.map_err(|error| match error {
        InvokeError::Arguments(error) => unsent(&method, error),
        error => error.into(),
    })
}

/// Counts without checking for cancellation, as the recorded method does: it takes a cancellation token and ignores it.
async fn count(
    _: Cancellation,
    Args((n, delay)): Args<(i32, i32)>,
) -> Result<impl Stream<Item = Result<i32, HubError>>, HubError> {
    Ok(counting(n, delay.max(0)))
}

async fn count_cancellable(
    Args((n, delay)): Args<(i32, i32)>,
) -> Result<impl Stream<Item = Result<i32, HubError>>, HubError> {
    Ok(counting(n, delay))
}

fn counting(n: i32, delay: i32) -> impl Stream<Item = Result<i32, HubError>> {
    stream::iter(0..n).then(move |number| async move {
        if delay != 0 {
            wait(delay).await?;
        }
        Ok(number)
    })
}

fn count_then(n: i32, error: HubError) -> impl Stream<Item = Result<i32, HubError>> {
    stream::iter((0..n).map(Ok).chain([Err(error)]))
}

async fn sum(mut values: Upload<i32>) -> Result<i32, HubError> {
    let mut sum = 0i32;
    while let Some(value) = values.next().await {
        sum = sum.wrapping_add(value?);
    }
    Ok(sum)
}

async fn join_two(first: Upload<Option<String>>, second: Upload<Option<String>>) -> Result<String, HubError> {
    let parts: Vec<Option<String>> = first.chain(second).try_collect().await?;
    Ok(parts.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join(","))
}

async fn abort_self(caller: Caller) -> Result<(), HubError> {
    caller.abort();
    Ok(())
}

async fn restricted() -> Result<&'static str, HubError> {
    Ok("secret")
}

/// Adds the methods of the hub that loads are compared with: one group for each name of an event.
pub(crate) fn main_hub(hub: HubBuilder<()>) -> HubBuilder<()> {
    hub.method("Subscribe", async |caller: Caller, groups: Groups, Args((request,)): Args<(Value,)>| {
        groups.add(caller.id(), event_of(&request)?).await?;
        Ok(())
    })
    .method("Unsubscribe", async |caller: Caller, groups: Groups, Args((request,)): Args<(Value,)>| {
        groups.remove(caller.id(), event_of(&request)?).await?;
        Ok(())
    })
}

fn event_of(request: &Value) -> Result<&str, HubError> {
    let event = request.get("e").and_then(Value::as_str);
    event.ok_or_else(|| HubError::internal("KeyNotFoundException", "The given key was not present in the dictionary."))
}
