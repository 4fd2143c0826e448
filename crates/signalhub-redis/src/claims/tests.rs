use super::*;
use crate::link::RedisSettings;
use crate::nodes::Presence;
use crate::test_server::TestServer;

struct TestNode {
    nodes: Nodes,
    owners: RedisOwners,
}

async fn node(servers: &[&TestServer], name: &str) -> TestNode {
    let addresses = servers.iter().map(|server| server.url().parse().unwrap()).collect();
    let settings = RedisSettings { addresses, username: None, password: None, tls_ca: None };
    let instances = Instances::start(&settings).unwrap();
    instances.reached(Duration::from_secs(10)).await.unwrap();
    let nodes = Nodes::new(&instances, "p:", NodeName::new(name).unwrap());
    nodes.join(Presence { address: None, hub: String::new(), formats: vec![1] }).await.unwrap();
    TestNode { owners: RedisOwners::new(&instances, "p:", &nodes), nodes }
}

fn ids(count: usize) -> Vec<ConnectionId> {
    (0..count).map(|number| ConnectionId::new(format!("connection-{number}"))).collect()
}

impl TestNode {
    async fn claim(&self, id: &ConnectionId) -> Claim {
        self.owners.claim(id, Duration::from_secs(15)).await.unwrap()
    }

    async fn command(&self, id: &ConnectionId, name: &str) -> i64 {
        let mut connection = self.owners.keys.instance(id).commands().unwrap();
        redis::cmd(name).arg(self.owners.keys.key(id)).query_async(&mut connection).await.unwrap()
    }

    /// Waits until all ends before this call are recorded.
    async fn released(&self, id: &ConnectionId) {
        let last = ConnectionId::new(format!("{id}-last"));
        self.owners.release(&last, Duration::from_secs(60));
        while self.command(&last, "EXISTS").await == 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn one_node_owns_a_connection_and_all_find_it() {
    let (Some(one), Some(two)) = (TestServer::start(), TestServer::start()) else { return };
    let (a, b) = (node(&[&one, &two], "a").await, node(&[&one, &two], "b").await);
    for id in &ids(20) {
        assert_eq!(a.owners.find(id).await, Ok(None));
        assert_eq!(a.claim(id).await, Claim::Here);
        assert_eq!(a.claim(id).await, Claim::Here);
        let owner = Node { name: a.nodes.own_name().clone(), address: None };
        assert_eq!(b.claim(id).await, Claim::At(owner.clone()));
        assert_eq!(b.owners.find(id).await, Ok(Some(owner)));
        assert!((50_000..=60_000).contains(&a.command(id, "PTTL").await));
    }
    assert_eq!(a.owners.claim(&ids(1)[0], Duration::from_secs(3600)).await, Ok(Claim::Here));
    assert!(a.command(&ids(1)[0], "PTTL").await > 3_500_000);
    assert_eq!(a.owners.renew(&ids(1)).await, Ok(RenewedClaims::default()));
    assert!(a.command(&ids(1)[0], "PTTL").await > 3_500_000, "a renewal does not shorten a claim");
}

#[tokio::test]
async fn renewals_make_claims_and_name_those_that_were_lost() {
    let (Some(one), Some(two)) = (TestServer::start(), TestServer::start()) else { return };
    let (a, b) = (node(&[&one, &two], "a").await, node(&[&one, &two], "b").await);
    let ids = ids(1_200);
    assert_eq!(b.claim(&ids[3]).await, Claim::Here);
    assert_eq!(b.claim(&ids[700]).await, Claim::Here);
    let RenewedClaims { mut lost, unanswered } = a.owners.renew(&ids).await.unwrap();
    assert!(unanswered.is_empty());
    lost.sort();
    assert_eq!(lost, [ids[3].clone(), ids[700].clone()]);
    assert_eq!(b.owners.find(&ids[1_199]).await.unwrap().unwrap().name.as_str(), "a");
}

#[tokio::test]
async fn what_is_no_claim_is_overwritten_and_harms_no_other() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = (node(&[&server], "a").await, node(&[&server], "b").await);
    let ids = ids(3);
    for id in &ids {
        assert_eq!(a.claim(id).await, Claim::Here);
    }
    let spoil = async |id: &ConnectionId| {
        a.command(id, "DEL").await;
        let mut connection = a.owners.keys.instance(id).commands().unwrap();
        let _: i64 =
            redis::cmd("LPUSH").arg(a.owners.keys.key(id)).arg("x").query_async(&mut connection).await.unwrap();
    };
    spoil(&ids[0]).await;
    a.command(&ids[2], "DEL").await;
    assert_eq!(a.owners.renew(&ids).await, Ok(RenewedClaims::default()));
    for id in &ids {
        assert_eq!(b.owners.find(id).await.unwrap().unwrap().name.as_str(), "a");
    }
    spoil(&ids[0]).await;
    assert_eq!(b.claim(&ids[0]).await, Claim::Here);
    spoil(&ids[0]).await;
    a.owners.release(&ids[0], Duration::ZERO);
    a.owners.release(&ids[2], Duration::ZERO);
    a.released(&ids[2]).await;
    assert_eq!(a.owners.find(&ids[2]).await, Ok(None));
}

#[tokio::test]
async fn a_server_that_is_away_does_not_end_the_claims_at_another_one() {
    let (Some(mut one), Some(two)) = (TestServer::start(), TestServer::start()) else { return };
    let a = node(&[&one, &two], "a").await;
    let ids = ids(1_200);
    assert_eq!(a.owners.renew(&ids).await, Ok(RenewedClaims::default()));
    let at_two = |id: &&ConnectionId| a.owners.keys.instances.number_of(id.as_str().as_bytes()) == 1;
    let (kept, away): (Vec<_>, Vec<_>) = ids.iter().partition(at_two);
    let () = redis::cmd("PEXPIRE")
        .arg(a.owners.keys.key(kept[0]))
        .arg(20_000)
        .query_async(&mut a.owners.keys.instance(kept[0]).commands().unwrap())
        .await
        .unwrap();
    one.kill();
    let renewed = a.owners.renew(&ids).await.unwrap();
    assert!(renewed.lost.is_empty());
    assert_eq!(renewed.unanswered.iter().collect::<Vec<_>>(), away);
    assert!(a.command(kept[0], "PTTL").await > 50_000, "the claim at the other server was renewed");
}

#[tokio::test]
async fn an_end_is_remembered_for_as_long_as_asked() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = (node(&[&server], "a").await, node(&[&server], "b").await);
    let [first, second, third] = ids(3).try_into().unwrap();
    for id in [&first, &second, &third] {
        assert_eq!(a.claim(id).await, Claim::Here);
    }
    a.owners.release(&first, Duration::from_secs(15));
    a.owners.release(&second, Duration::ZERO);
    b.owners.release(&third, Duration::ZERO);
    a.released(&first).await;
    b.released(&third).await;
    for node in [&a, &b] {
        assert_eq!(node.claim(&first).await, Claim::Ended);
        assert_eq!(node.owners.find(&first).await, Ok(None));
    }
    assert!((1..=15_000).contains(&a.command(&first, "PTTL").await));
    assert_eq!(b.claim(&second).await, Claim::Here, "it is free");
    assert_eq!(a.claim(&third).await, Claim::Here, "another node has released nothing");
}

#[tokio::test]
async fn a_node_that_was_started_again_does_not_own_what_the_earlier_one_did() {
    let Some(server) = TestServer::start() else { return };
    let id = &ids(1)[0];
    let before = node(&[&server], "a").await;
    assert_eq!(before.claim(id).await, Claim::Here);
    before.nodes.leave().await;
    let other = node(&[&server], "other").await;
    let after = node(&[&server], "a").await;
    assert_eq!(after.owners.find(id).await, Ok(None));
    assert_eq!(after.claim(id).await, Claim::Ended);
    assert_eq!(other.claim(id).await, Claim::Ended);
}

#[tokio::test]
async fn the_claims_of_a_node_that_was_started_again_are_found_before_others_have_read_its_entry() {
    let Some(server) = TestServer::start() else { return };
    let before = node(&[&server], "a").await;
    let other = node(&[&server], "other").await;
    before.nodes.leave().await;
    let after = node(&[&server], "a").await;
    let id = &ids(1)[0];
    assert_eq!(after.claim(id).await, Claim::Here);
    let cached = other.nodes.present()[after.nodes.own_name()].boot.clone();
    assert_eq!(cached, before.nodes.own_boot(), "the other node has not read the entries since");
    let owner = Node { name: after.nodes.own_name().clone(), address: None };
    assert_eq!(other.owners.find(id).await, Ok(Some(owner.clone())));
    assert_eq!(other.claim(id).await, Claim::At(owner));
}

#[tokio::test]
async fn without_redis_nothing_is_answered_and_a_server_that_came_back_empty_gets_the_claims_again() {
    let Some(mut server) = TestServer::start() else { return };
    let a = node(&[&server], "a").await;
    let id = &ids(1)[0];
    assert_eq!(a.claim(id).await, Claim::Here);
    server.kill();
    let begun = tokio::time::Instant::now();
    assert!(a.owners.find(id).await.is_err());
    assert!(a.owners.claim(id, EXPIRY).await.is_err());
    assert!(a.owners.renew(std::slice::from_ref(id)).await.is_err());
    a.owners.release(id, EXPIRY);
    assert!(begun.elapsed() < Duration::from_secs(4));
    server.restart();
    a.owners.keys.instances.all()[0].connected(crate::link::Link::Commands).await;
    assert_eq!(a.owners.renew(std::slice::from_ref(id)).await, Ok(RenewedClaims::default()));
    assert_eq!(a.owners.find(id).await.unwrap().unwrap().name.as_str(), "a");
}

#[tokio::test]
async fn it_is_told_when_redis_may_have_lost_claims() {
    let Some(mut server) = TestServer::start() else { return };
    let a = node(&[&server], "a").await;
    let in_time = async |what: &str| {
        tokio::time::timeout(Duration::from_secs(20), a.owners.lost()).await.unwrap_or_else(|_| panic!("{what}"));
    };
    server.kill();
    server.restart();
    in_time("a restart").await;
    // The next time that the node writes its entry, it finds other data, too.
    in_time("the data of the server are others").await;
    let mut connection = a.owners.keys.instances.all()[0].commands().unwrap();
    let _: () = redis::cmd("FLUSHALL").query_async(&mut connection).await.unwrap();
    in_time("all keys were removed, and the connection was not lost").await;
    let nothing = tokio::time::timeout(Duration::from_secs(4), a.owners.lost()).await;
    assert!(nothing.is_err(), "nothing was lost since");
}
