use super::*;
use crate::link::{Instances, RedisSettings};
use crate::test_server::TestServer;

#[tokio::test]
async fn a_server_keeps_its_id_until_it_loses_its_data() {
    let Some(server) = TestServer::start() else { return };
    let addresses = vec![server.url().parse().unwrap()];
    let settings = RedisSettings { addresses, username: None, password: None, tls_ca: None };
    let instances = Instances::start(&settings).unwrap();
    instances.reached(std::time::Duration::from_secs(10)).await.unwrap();
    let mut connection = instances.all()[0].commands().unwrap();
    let id = DatasetId::ask("p:", &mut connection).await.unwrap();
    assert_eq!(DatasetId::ask("p:", &mut connection).await.unwrap(), id);
    assert_ne!(DatasetId::ask("other:", &mut connection).await.unwrap(), id, "another cluster");
    for lose in [&["FLUSHALL"][..], &["SET", "p:instance", "0123"], &["SET", "p:instance", "0123456789ABCDEF"]] {
        let before = DatasetId::ask("p:", &mut connection).await.unwrap();
        let mut command = redis::cmd(lose[0]);
        command.arg(&lose[1..]);
        let _: redis::Value = command.query_async(&mut connection).await.unwrap();
        assert_ne!(DatasetId::ask("p:", &mut connection).await.unwrap(), before, "{lose:?}");
    }
    assert_eq!(DatasetId::read("00000000000000ff"), Some(DatasetId(255)));
    assert_eq!((DatasetId::read("ff"), DatasetId::read("000000000000000g")), (None, None));
}
