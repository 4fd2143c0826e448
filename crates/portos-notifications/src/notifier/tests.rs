#[cfg(feature = "broker")]
mod broker {
    use std::sync::{Arc, Mutex};

    use signalhub_events::{Broker, Delivery, Event, Filter, Grants, Offered, Scope, Subscriber};
    use time::macros::datetime;

    use crate::{Action, LicenceActivated, Notifier, ResourceChanged};

    #[derive(Default)]
    struct Seen(Mutex<Vec<Arc<Event>>>);

    impl Subscriber for Seen {
        fn offer(&self, delivery: &Delivery) -> Offered {
            self.0.lock().unwrap().push(delivery.event().clone());
            Offered::Accepted
        }
    }

    #[tokio::test]
    async fn broker_gets_the_event_with_its_address() {
        let broker = Broker::builder(crate::broker::catalogue()).shards(1).build();
        let seen = Arc::new(Seen::default());
        let mut subscriptions = broker.attach(seen.clone(), Scope::new(Some("north".into()), Grants::All));
        subscriptions.add(&Filter::new("portos.resources.changed".into()).with_resource("tickets".into())).unwrap();

        let notifier = Notifier::new(broker.clone());
        let expires = datetime!(9000-01-01 0:00 UTC);
        let changed = ResourceChanged::new("tickets", Action::Updated, "573f", 7).with_organisation("north");
        let receipt = notifier.notify(&changed.with_expires(expires)).await.unwrap();
        assert_eq!((receipt.matched, receipt.duplicate), (1, false));
        assert_eq!(receipt.position, format!("{}:1", broker.epoch()));
        let activated = LicenceActivated::new(&serde_json::json!({})).unwrap();
        assert_eq!(notifier.notify(&activated).await.unwrap().matched, 0);

        // Each notification is on its way when its publisher is answered, and arrives in the broker's own task.
        while seen.0.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let seen = seen.0.lock().unwrap();
        let event = &seen[0];
        assert_eq!(
            (event.resource.clone(), event.organisation.clone()),
            (Some("tickets".into()), Some("north".into()))
        );
        assert_eq!((event.action, event.expires), (Some(signalhub_events::Action::Updated), Some(expires)));
        let payload = r#"{"u":{"u":"SYSTEM","d":"SYSTEM","f":null},"n":"tickets","a":2,"i":{"i":"573f","n":"tickets","v":7},"r":[]}"#;
        assert_eq!(event.payload, payload);
    }

    #[cfg(feature = "http")]
    #[tokio::test]
    async fn what_a_broker_cannot_do_is_refused() {
        use crate::{IdempotencyKey, NotificationEvent, NotifyError, PublishOptions, Wait};

        let broker = Broker::builder(crate::broker::catalogue()).shards(1).build();
        let notifier = Notifier::new(broker);
        let body = || LicenceActivated::new(&serde_json::json!({})).unwrap().publish_body().unwrap();
        let key = IdempotencyKey::new("order-17").unwrap();
        for (options, refused) in [
            (PublishOptions::new(), None),
            (PublishOptions::new().without_idempotency_key(), None),
            (PublishOptions::new().with_idempotency_key(key), Some("idempotency key")),
            (PublishOptions::new().with_wait(Wait::Durable), Some("wait")),
            (PublishOptions::new().with_wait(Wait::Matched), Some("wait")),
            (PublishOptions::new().with_wait(Wait::Delivered), Some("wait")),
        ] {
            match notifier.publish_with(body(), &options).await {
                Ok(_) => assert_eq!(refused, None),
                Err(NotifyError::OfHubsOnly(option)) => assert_eq!(Some(option), refused),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[cfg(feature = "http")]
mod http {
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio::net::TcpListener;

    use crate::{
        Action, Credentials, NotificationEvent, Notifier, NotifierError, NotifyError, ResourceChanged, Retries,
    };

    fn changed() -> ResourceChanged {
        ResourceChanged::new("tickets", Action::Created, "573f", 7)
    }

    /// Answers each request on a connection with the next answer, and returns what was asked.
    async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answers: Vec<String>) -> Vec<String> {
        let body = changed().publish_body().unwrap().to_json();
        let mut requests = Vec::new();
        for answer in answers {
            let mut request = String::new();
            while !request.ends_with(&body) {
                let mut buffer = [0; 1024];
                let count = stream.read(&mut buffer).await.unwrap();
                assert_ne!(count, 0, "the client left after {request:?}");
                request.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            }
            requests.push(request);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    }

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    async fn listen() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        (listener, url)
    }

    #[tokio::test]
    async fn publishes_with_the_key_and_reads_receipts_and_problems() {
        let (listener, url) = listen().await;
        let notifier = Notifier::http(&format!("{url}/prefix/"), Credentials::ApiKey("s3cret")).unwrap();
        let notifier = notifier.with_retries(Retries::none());
        assert!(!format!("{notifier:?}").contains("s3cret"));
        let answers = vec![
            answer("202 Accepted", r#"{"id":"e-1","position":"e:4","matched":12,"duplicate":false}"#),
            answer("400 Bad Request", r#"{"code":"unknown_event","title":"Unknown event","detail":"try another"}"#),
            answer("502 Bad Gateway", "<html>"),
            answer("202 Accepted", "{}"),
        ];
        let server = tokio::spawn(async move { serve(listener.accept().await.unwrap().0, answers).await });
        let receipt = notifier.notify(&changed()).await.unwrap();
        assert_eq!((receipt.id.as_str(), receipt.position.as_str()), ("e-1", "e:4"));
        assert_eq!((receipt.matched, receipt.duplicate), (12, false));

        let errors = [
            "the hub refused with 400 unknown_event: Unknown event (try another)",
            "the answer with status 502 is neither a receipt nor a problem",
            "the answer with status 202 is neither a receipt nor a problem",
        ];
        for error in errors {
            assert_eq!(notifier.notify(&changed()).await.unwrap_err().to_string(), error);
        }
        for request in server.await.unwrap() {
            assert!(request.starts_with("POST /prefix/api/v1/publish HTTP/1.1\r\n"), "{request}");
            assert!(
                request.contains("x-api-key: s3cret\r\n") && request.contains("content-type: application/json\r\n")
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_try_of_a_silent_hub_takes_ten_seconds() {
        let (_listener, url) = listen().await;
        let start = tokio::time::Instant::now();
        let notifier = Notifier::http(&url, Credentials::ApiKey("key")).unwrap().with_retries(Retries::none());
        let error = notifier.notify(&changed()).await.unwrap_err();
        assert_eq!(error.to_string(), "the hub did not answer within 10 s");
        assert_eq!(start.elapsed().as_secs(), 10);
    }

    #[tokio::test]
    async fn a_lost_connection_is_an_error() {
        let (listener, url) = listen().await;
        drop(listener);
        let notifier = Notifier::http(&url, Credentials::ApiKey("key")).unwrap().with_retries(Retries::none());
        let error = notifier.notify(&changed()).await.unwrap_err();
        assert!(matches!(error, NotifyError::Unreachable { tries: 1, .. }), "{error:?}");
    }

    #[test]
    fn only_http_urls_and_sendable_keys_are_taken() {
        let check = |url: &str, key: &str, error: Option<NotifierError>| {
            assert_eq!(Notifier::http(url, Credentials::BearerToken(key)).err(), error, "{url}");
            assert_eq!(Notifier::http(url, Credentials::ApiKey(key)).err(), error, "{url}");
        };
        let wrong = |url: &str| Some(NotifierError::Url(url.to_owned()));
        let without_tls = (!cfg!(feature = "https")).then_some(NotifierError::Https);
        check("http://hub:3000", "key", None);
        check("http://hub/prefix/", "key", None);
        check("https://hub:3000", "key", without_tls);
        for url in ["hub:3000", "/hub", "", "ftp://hub", "wss://hub", "http://"] {
            check(url, "key", wrong(url));
        }
        check("http://hub?access_token=s3cret", "key", wrong("http://hub"));
        check("http://user:password@hub", "key", Some(NotifierError::UserInfo));
        check("http://hub", "", Some(NotifierError::Secret));
        check("http://hub", "a\nb", Some(NotifierError::Secret));
    }

    #[cfg(feature = "https")]
    mod tls {
        use std::sync::Arc;

        use rcgen::{CertificateParams, KeyPair};
        use rustls::ServerConfig;
        use rustls::pki_types::PrivateKeyDer;
        use tokio_rustls::TlsAcceptor;

        use super::*;
        use crate::{CaError, TlsProblem};

        /// What a hub accepts connections with, and its certificate for `127.0.0.1` in PEM.
        fn certified() -> (TlsAcceptor, String) {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
            let certificate = params.self_signed(&key).unwrap();
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
            let config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key);
            (TlsAcceptor::from(Arc::new(config.unwrap())), certificate.pem())
        }

        fn notifier(url: &str) -> Notifier {
            Notifier::http(&url.replace("http:", "https:"), Credentials::ApiKey("s3cret")).unwrap()
        }

        #[tokio::test]
        async fn publishes_over_one_connection_to_a_hub_with_a_trusted_certificate() {
            let (listener, url) = listen().await;
            let (acceptor, ca) = certified();
            let receipt = answer("202 Accepted", r#"{"id":"e-1","position":"e:4","matched":12,"duplicate":false}"#);
            let server = tokio::spawn(async move {
                let (socket, _) = listener.accept().await.unwrap();
                serve(acceptor.accept(socket).await.unwrap(), vec![receipt.clone(), receipt]).await
            });
            let notifier = notifier(&url).with_ca(ca.as_bytes()).unwrap();
            for _ in 0..2 {
                assert_eq!(notifier.notify(&changed()).await.unwrap().position, "e:4");
            }
            assert!(server.await.unwrap()[1].contains("x-api-key: s3cret\r\n"));
        }

        #[tokio::test]
        async fn nothing_is_sent_to_a_hub_that_is_not_trusted() {
            let check = async |host: &str, ca: Option<&str>, expected: &str| {
                let (listener, url) = listen().await;
                let (acceptor, own) = certified();
                let mut notifier = notifier(&url.replace("127.0.0.1", host));
                if let Some(ca) = ca {
                    notifier = notifier.with_ca(if ca.is_empty() { own.as_bytes() } else { ca.as_bytes() }).unwrap();
                }
                let handshake = tokio::spawn(async move {
                    let (socket, _) = listener.accept().await.unwrap();
                    acceptor.accept(socket).await.map(drop)
                });
                let error = notifier.notify(&changed()).await.unwrap_err();
                assert!(matches!(error, NotifyError::Tls(_)), "{error:?}");
                assert_eq!(error.to_string(), expected);
                assert!(handshake.await.unwrap().is_err());
            };
            let unknown = "the certificate of the server is not from an authority that is trusted here";
            check("127.0.0.1", None, unknown).await;
            check("127.0.0.1", Some(&certified().1), unknown).await;
            let name = "the certificate of the server is not for \"localhost\", but for 127.0.0.1";
            check("localhost", Some(""), name).await;
        }

        #[tokio::test]
        async fn a_hub_without_tls_is_recognised() {
            let (listener, url) = listen().await;
            tokio::spawn(async move {
                let (mut socket, _) = listener.accept().await.unwrap();
                socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            });
            let error = notifier(&url).notify(&changed()).await.unwrap_err();
            assert!(matches!(error, NotifyError::Tls(TlsProblem::NotTls)), "{error:?}");
        }

        #[test]
        fn authorities_must_be_certificates() {
            let error = notifier("http://hub").with_ca(b"x").unwrap_err();
            assert_eq!(error, NotifierError::Ca(CaError::NoCertificate));
        }
    }
}
