use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;

fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

#[test]
fn the_url_has_a_name_of_the_certificate_and_the_trust_fits_it() {
    let folder = std::env::temp_dir().join(format!("signalhub-reachable-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let file = folder.join("chain.pem");
    let check = |pem: String, address: &str, url: &str, trust: ServerTrust| {
        fs::write(&file, pem).unwrap();
        let reachable = ReachableAt::with_certificate(address.parse().unwrap(), &file);
        assert_eq!(reachable, ReachableAt { url: url.to_owned(), trust });
    };
    let own = |names: &[&str]| params(names).self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
    let itself = || ServerTrust::File(file.canonicalize().unwrap_or_else(|_| file.clone()));
    fs::write(&file, "").unwrap();
    check(own(&["localhost", "127.0.0.1"]), "127.0.0.1:3000", "https://127.0.0.1:3000", itself());
    check(own(&["localhost"]), "127.0.0.1:3000", "https://localhost:3000", itself());
    check(own(&["::1"]), "[::1]:3000", "https://[::1]:3000", itself());
    let elsewhere = TlsProblem::WrongName { host: "localhost".to_owned(), names: vec!["hub.example".to_owned()] };
    check(own(&["hub.example"]), "127.0.0.1:3000", "https://127.0.0.1:3000", ServerTrust::Unknown(elsewhere));

    let mut authority = params(&[]);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let issued = params(&["127.0.0.1"]).signed_by(&KeyPair::generate().unwrap(), &authority).unwrap().pem();
    check(issued.clone() + &authority.pem(), "127.0.0.1:1", "https://127.0.0.1:1", itself());
    check(issued, "127.0.0.1:1", "https://127.0.0.1:1", ServerTrust::Unknown(TlsProblem::UnknownIssuer));
    fs::remove_dir_all(&folder).unwrap();
}
