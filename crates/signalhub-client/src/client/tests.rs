//! The client against a hub that says what the test tells it to.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::{Client, INVOCATIONS, InvokeError};
use crate::connect::{ConnectError, shake_hands};
use crate::connect_options::ConnectOptions;
use crate::connection::Disconnected;

const HELLO: &str = "{\"protocol\":\"json\",\"version\":1}\u{1e}";
const AGREED: &str = "{}\u{1e}";

/// The hub's end of a connection.
struct FakeHub<S>(WebSocketStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> FakeHub<S> {
    async fn say(&mut self, records: &str) {
        self.0.send(Message::text(records)).await.unwrap();
    }

    async fn receive(&mut self) -> String {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }
}

/// A client and its hub without a socket between them, after the handshake.
async fn pair() -> (Client, FakeHub<DuplexStream>) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let near = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    let mut hub = FakeHub(WebSocketStream::from_raw_socket(far, Role::Server, None).await);
    let (connected, ()) = tokio::join!(shake_hands(near), async {
        assert_eq!(hub.receive().await, HELLO);
        hub.say(AGREED).await;
    });
    (Client::over(connected.unwrap()), hub)
}

/// A listener, and the URL of the hub behind it.
async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hub?x=1", listener.local_addr().unwrap());
    (listener, url)
}

async fn accept(listener: &TcpListener) -> FakeHub<TcpStream> {
    let (socket, _) = listener.accept().await.unwrap();
    FakeHub(accept_on(socket).await)
}

#[allow(clippy::result_large_err)] // The type is tungstenite's.
async fn accept_on<S: AsyncRead + AsyncWrite + Unpin>(socket: S) -> WebSocketStream<S> {
    let check = |request: &Request, response: Response| {
        assert_eq!(request.uri().to_string(), "/hub?x=1");
        if request.headers().get("authorization").is_some_and(|token| token == "Bearer good") {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = StatusCode::UNAUTHORIZED;
        Err(refusal)
    };
    accept_hdr_async(socket, check).await.unwrap()
}

#[tokio::test]
async fn connects_with_its_token_and_ends_in_order() {
    let (listener, url) = listener().await;
    let serving = tokio::spawn(async move {
        let mut hub = accept(&listener).await;
        assert_eq!(hub.receive().await, HELLO);
        // The first call may come in the same piece as the agreement.
        hub.say("{}\u{1e}{\"type\":1,\"target\":\"Welcome\",\"arguments\":[]}\u{1e}").await;
        let call = hub.receive().await;
        assert_eq!(call, "{\"type\":1,\"invocationId\":\"1\",\"target\":\"Add\",\"arguments\":[2,3]}\u{1e}");
        hub.say("{\"type\":3,\"invocationId\":\"1\",\"result\":5}\u{1e}").await;
        assert_eq!(hub.receive().await, "{\"type\":7}\u{1e}");
        assert!(matches!(hub.0.next().await, Some(Ok(Message::Close(_)))));
    });
    let client = Client::connect(&url, Some("good")).await.unwrap();
    assert_eq!(client.next_invocation().await.unwrap().target, "Welcome");
    assert_eq!(client.invoke::<i32>("Add", (2, 3)).await.unwrap(), 5);
    client.close().await;
    assert_eq!(client.next_invocation().await, Err(Disconnected::Closed));
    serving.await.unwrap();
}

#[tokio::test]
#[allow(clippy::result_large_err)] // The type is tungstenite's.
async fn refused_credentials_have_an_error_of_their_own() {
    for token in [None, Some("bad")] {
        let (listener, url) = listener().await;
        let serving = tokio::spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let refuse = |_: &Request, _: Response| {
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = StatusCode::UNAUTHORIZED;
                Err(refusal)
            };
            assert!(accept_hdr_async(socket, refuse).await.is_err());
        });
        let error = Client::connect(&url, token).await.unwrap_err();
        assert!(matches!(error, ConnectError::Unauthorized), "{error:?}");
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn a_refused_handshake_says_why() {
    let (listener, url) = listener().await;
    let serving = tokio::spawn(async move {
        let mut hub = accept(&listener).await;
        hub.receive().await;
        hub.say("{\"error\":\"not today\"}\u{1e}").await;
    });
    let error = Client::connect(&url, Some("good")).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Handshake(text) if text == "not today"), "{error:?}");
    serving.await.unwrap();
}

#[tokio::test]
async fn unusable_addresses_and_tokens_have_their_own_errors() {
    let (listener, url) = listener().await;
    drop(listener);
    let rows = [
        ("127.0.0.1:3000/hub", None, "is no URL of a hub"),
        ("ftp://127.0.0.1/hub", None, "is no URL of a hub"),
        ("http:///hub", None, "is no URL of a hub"),
        ("ftp://user:two@127.0.0.1/hub?access_token=two", None, "\"ftp://127.0.0.1/hub\" is no URL of a hub"),
        ("ws://127.0.0.1/hub", Some("two\nlines"), "are not allowed in a header"),
        (&*url, None, "could not be reached"),
    ];
    for (url, token, expected) in rows {
        let error = Client::connect(url, token).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{url}: {error}");
        assert!(!error.contains("two"), "{error}");
    }
}

/// What a hub accepts connections with, and its certificate for `127.0.0.1` in PEM.
fn certified() -> (TlsAcceptor, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), certificate.pem())
}

#[tokio::test]
async fn hubs_with_tls_are_reached_if_their_certificate_is_trusted() {
    for scheme in ["https", "wss"] {
        let (listener, url) = listener().await;
        let url = url.replace("http", scheme);
        let (acceptor, ca) = certified();
        let serving = tokio::spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let mut hub = FakeHub(accept_on(acceptor.accept(socket).await.unwrap()).await);
            assert_eq!(hub.receive().await, HELLO);
            hub.say(AGREED).await;
            hub.say("{\"type\":1,\"target\":\"Said\",\"arguments\":[]}\u{1e}").await;
            hub
        });
        let options = ConnectOptions::new(&url).with_ca(ca.as_bytes()).unwrap().with_token("good");
        assert!(!format!("{options:?}").contains("good"));
        let client = options.connect().await.unwrap();
        assert_eq!(client.next_invocation().await.unwrap().target, "Said");
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn no_token_is_sent_to_a_hub_that_is_not_trusted() {
    let (listener, url) = listener().await;
    let port = url.split(['/', ':']).nth(4).unwrap().to_owned();
    let (acceptor, ca) = certified();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            assert!(acceptor.accept(socket).await.is_err());
        }
    });
    let unknown = "the certificate of the server is not from an authority that is trusted here";
    let name = "the certificate of the server is not for \"localhost\", but for 127.0.0.1";
    for (host, ca, expected) in
        [("127.0.0.1", None, unknown), ("127.0.0.1", Some(certified().1), unknown), ("localhost", Some(ca), name)]
    {
        let mut options = ConnectOptions::new(format!("wss://{host}:{port}/hub")).with_token("good");
        if let Some(ca) = ca {
            options = options.with_ca(ca.as_bytes()).unwrap();
        }
        let error = options.connect().await.unwrap_err();
        assert!(matches!(error, ConnectError::Tls(_)), "{error:?}");
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn completions_become_results() {
    let rows: [(&str, Result<Option<i32>, InvokeError>); 4] = [
        ("\"result\":7", Ok(Some(7))),
        ("\"result\":null", Ok(None)),
        ("\"headers\":{}", Ok(None)),
        ("\"error\":\"no\"", Err(InvokeError::Hub("no".to_owned()))),
    ];
    let (client, mut hub) = pair().await;
    for (number, (member, expected)) in rows.into_iter().enumerate() {
        let completion = format!("{{\"type\":3,\"invocationId\":\"{}\",{member}}}\u{1e}", number + 1);
        let (result, ()) = tokio::join!(client.invoke::<Option<i32>>("Ask", ()), async {
            hub.receive().await;
            hub.say(&completion).await;
        });
        assert_eq!(result, expected, "{member}");
    }
}

#[tokio::test]
async fn calls_of_the_hub_arrive_in_order_and_typed() {
    let (client, mut hub) = pair().await;
    hub.say("{\"type\":1,\"target\":\"Said\",\"arguments\":[\"ann\",1.50]}\u{1e}{\"type\":6}\u{1e}{\"type\":1,").await;
    hub.say("\"invocationId\":\"s1\",\"target\":\"Ask\",\"arguments\":[]}\u{1e}").await;
    let said = client.next_invocation().await.unwrap();
    assert_eq!((said.target.as_str(), said.arguments()), ("Said", "[\"ann\",1.50]"));
    assert_eq!(said.bind::<(String, f64)>().unwrap(), ("ann".to_owned(), 1.5));
    assert!(said.bind::<(String,)>().is_err());
    assert_eq!(client.next_invocation().await.unwrap().target, "Ask");
    let answer = hub.receive().await;
    assert!(
        answer.contains("\"invocationId\":\"s1\"") && answer.contains("Client didn't provide a result."),
        "{answer}"
    );
}

#[tokio::test]
async fn a_full_queue_stops_reading_and_loses_nothing() {
    let (client, mut hub) = pair().await;
    let total = INVOCATIONS * 2;
    let saying = async {
        for number in 0..total {
            hub.say(&format!("{{\"type\":1,\"target\":\"N\",\"arguments\":[{number}]}}\u{1e}")).await;
        }
    };
    let taking = async {
        for number in 0..total {
            assert_eq!(client.next_invocation().await.unwrap().bind::<(usize,)>().unwrap(), (number,));
        }
    };
    tokio::join!(saying, taking);
}

#[tokio::test]
async fn every_waiting_caller_gets_the_reason_of_the_end() {
    let by_server =
        |error: Option<&str>, allow_reconnect| Disconnected::ByServer { error: error.map(Into::into), allow_reconnect };
    let rows = [
        ("{\"type\":7}\u{1e}", by_server(None, false)),
        ("{\"type\":7,\"allowReconnect\":true}\u{1e}", by_server(None, true)),
        ("{\"type\":7,\"error\":\"enough\"}\u{1e}", by_server(Some("enough"), false)),
    ];
    for (record, expected) in rows {
        let (client, mut hub) = pair().await;
        let (result, invocation, ()) = tokio::join!(client.invoke::<()>("Wait", ()), client.next_invocation(), async {
            hub.receive().await;
            hub.say(record).await;
        });
        assert_eq!(result, Err(InvokeError::Disconnected(expected.clone())));
        assert_eq!(invocation, Err(expected.clone()));
        assert_eq!(client.disconnected().await, expected);
    }
    let (client, mut hub) = pair().await;
    hub.say("{\"type\":\u{1e}").await;
    assert!(matches!(client.disconnected().await, Disconnected::Protocol(_)));
    let (client, hub) = pair().await;
    drop(hub);
    assert!(matches!(client.disconnected().await, Disconnected::Lost(_)));
}

#[tokio::test(start_paused = true)]
async fn pings_keep_the_hub_informed_and_silence_ends_the_connection() {
    let (client, mut hub) = pair().await;
    let start = tokio::time::Instant::now();
    assert_eq!(hub.receive().await, "{\"type\":6}\u{1e}");
    assert_eq!(start.elapsed().as_secs(), 15);
    hub.say("{\"type\":6}\u{1e}").await;
    assert_eq!(client.disconnected().await, Disconnected::TimedOut);
    assert_eq!(start.elapsed().as_secs(), 15 + 30);
}
