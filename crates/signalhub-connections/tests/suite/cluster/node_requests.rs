//! What nodes ask each other for themselves.

use super::*;

/// Answers with the method, the path and the query of the request.
struct Repeat;

impl Respond for Repeat {
    fn respond(self: Arc<Self>, request: HttpRequest<RequestBody>) -> BoxFuture<HttpResponse<Body>> {
        let page = Page::text(format!("{} {}", request.method(), request.uri())).status(StatusCode::ACCEPTED);
        Box::pin(async move { page.into() })
    }
}

/// A node that answers, and another one that asks it.
async fn asking_and_answering() -> (ClusterNode, ClusterNode, Node) {
    let shared = Arc::default();
    let asking = ClusterNode::start(&shared, "a", Options::default()).await;
    // Once it has answered, it runs.
    assert_eq!(asking.running.ask("GET /state", &[]).await.status, 404);
    let options = Options { cluster: Box::new(|cluster| cluster.otherwise(Repeat)), ..Options::default() };
    let answering = ClusterNode::start(&shared, "b", options).await;
    let node = Node { name: answering.name.clone(), address: NodeAddress::new(&answering.address).ok() };
    (asking, answering, node)
}

#[tokio::test]
async fn a_node_answers_what_another_one_asks_for_itself() {
    let (asking, _answering, node) = asking_and_answering().await;
    for method in [Method::GET, Method::DELETE, Method::POST] {
        let answer = asking.requests.send(&node, method.clone(), "/state?x=%20", 100).await.unwrap();
        assert_eq!((answer.status, &*answer.body), (StatusCode::ACCEPTED, format!("{method} /state?x=%20").as_bytes()));
    }
    let error = asking.requests.send(&node, Method::GET, "/state", 3).await.unwrap_err();
    assert!(matches!(error, NodeRequestError::Lost(_)), "{error}");
}

#[tokio::test]
async fn nothing_but_a_node_is_answered_on_the_listener_of_nodes() {
    let (asking, answering, node) = asking_and_answering().await;
    for header in ["", "Signalhub-Forwarded: 1;a;1;AAAAAAAAAAAAAAAAAAAAAA;http;127.0.0.1;AAAAAAAAAAAAAAAAAAAAAA\r\n"] {
        let mut socket = TcpStream::connect(&answering.address).await.unwrap();
        let request = format!("GET /state HTTP/1.1\r\nHost: localhost\r\n{header}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(answer(&mut socket).await.status, 403, "{header}");
    }
    // On the public listener there is no such page at all.
    assert_eq!(answering.running.ask("GET /state", &[]).await.status, 404);
    let other = Node { name: NodeName::new("c").unwrap(), ..node };
    let error = asking.requests.send(&other, Method::GET, "/state", 100).await.unwrap_err();
    assert_eq!(error, NodeRequestError::Refused("forged".to_owned()));
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_is_an_error() {
    let (asking, answering, node) = asking_and_answering().await;
    let silent = Node { address: None, ..node.clone() };
    let error = asking.requests.send(&silent, Method::GET, "/", 100).await.unwrap_err();
    assert_eq!(error, NodeRequestError::NoAddress);
    let public = NodeAddress::new(&asking.running.address.to_string()).ok();
    let error =
        asking.requests.send(&Node { address: public, ..node.clone() }, Method::GET, "/", 100).await.unwrap_err();
    assert_eq!(error, NodeRequestError::Refused("the address is not one for other nodes".to_owned()));
    drop(answering);
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let error = server.node_requests().send(&node, Method::GET, "/", 100).await.unwrap_err();
    assert_eq!(error, NodeRequestError::NotRunning);
}
