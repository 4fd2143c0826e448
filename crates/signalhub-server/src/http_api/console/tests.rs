use std::fs;
use std::path::Path;

use http::{Request, StatusCode};

use super::*;
use crate::http_api::problem::ProblemCode;

/// How many bytes the console may have in all, with its page for operators.
const LARGEST: usize = 250 * 1024;

const HUB: &str = "/signalr/v1/mainHub";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn head(path: &str, host: &str) -> Parts {
    Request::get(path).header("Host", host).body(()).unwrap().into_parts().0
}

fn on(place: HubPlace) -> Console {
    Console::On { place, hub: HUB }
}

/// Checks where the page finds the hub, and what its policy allows connections to.
#[track_caller]
fn check(place: &HubPlace, host: &str, hub: &str, connections: &str) {
    let base = place.base(&head("/", host));
    assert!(
        page(base.as_deref(), HUB).contains(&format!("<meta name=\"signalhub-hub\" content=\"{hub}\">")),
        "{base:?}"
    );
    let policy = policy(base.as_deref());
    let expected = format!("connect-src 'self'{connections}; img-src");
    assert!(policy.to_str().unwrap().contains(&expected), "{policy:?}");
}

#[test]
fn the_page_and_its_policy_name_the_hub() {
    let url = || HubPlace::PublicUrl("https://hub.example/realtime".into());
    let connections = " https://hub.example wss://hub.example";
    check(&url(), "localhost:3001", "https://hub.example/realtime/signalr/v1/mainHub", connections);
    let here = || HubPlace::Address(Scheme::HTTP, address("127.0.0.1:3000"));
    let connections = " http://127.0.0.1:3000 ws://127.0.0.1:3000";
    check(&here(), "localhost:3001", "http://127.0.0.1:3000/signalr/v1/mainHub", connections);
    let everywhere = || HubPlace::Address(Scheme::HTTPS, address("[::]:443"));
    let connections = " https://10.0.0.7:443 wss://10.0.0.7:443";
    check(&everywhere(), "10.0.0.7:3001", "https://10.0.0.7:443/signalr/v1/mainHub", connections);
    check(&everywhere(), "[::1]:3001", "https://[::1]:443/signalr/v1/mainHub", " https://[::1]:443 wss://[::1]:443");
    check(&everywhere(), "", "", "");
}

#[test]
fn a_host_cannot_add_to_the_page_or_to_the_policy() {
    let everywhere = HubPlace::Address(Scheme::HTTP, address("0.0.0.0:80"));
    for host in ["a;script-src *", "a;script-src", "a\"><script>", "a'b", "a&b", "a,b"] {
        let base = everywhere.base(&head("/", host));
        let policy = policy(base.as_deref());
        assert_eq!(policy.to_str().unwrap().matches(';').count(), 7, "{policy:?}");
        assert!(policy.to_str().unwrap().contains("connect-src 'self'; "), "{policy:?}");
        assert!(!page(base.as_deref(), HUB).contains("\"><script>"), "{host}");
    }
}

#[tokio::test]
async fn every_file_has_its_type_and_the_headers_of_a_page_that_is_not_kept() {
    let console = on(HubPlace::PublicUrl("https://hub.example".into()));
    for (name, kind, _) in FILES.iter().chain([&OPERATIONS]) {
        let answer = console.answer(&head(&format!("{PREFIX}{name}"), "localhost"), || Ok(())).unwrap();
        let header = |name| answer.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        assert_eq!(header(CONTENT_TYPE), *kind);
        assert_eq!(header(X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(header(REFERRER_POLICY), "no-referrer");
        assert_eq!(header(CACHE_CONTROL), "no-store");
        assert_eq!(
            header(CONTENT_SECURITY_POLICY),
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' https://hub.example \
             wss://hub.example; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
    }
}

#[test]
fn other_paths_and_methods_are_refused_and_so_is_everything_where_it_is_off_or_not_protected() {
    let console = on(HubPlace::PublicUrl("https://hub.example".into()));
    let refused = |console: &Console, head: &Parts| console.answer(head, || Ok(())).unwrap_err().code;
    for path in ["/console/", "/console/console.html", "/console/../Cargo.toml", "/console/vendor/"] {
        assert_eq!(refused(&console, &head(path, "localhost")), ProblemCode::NotFound, "{path}");
    }
    let posted = Request::post("/").body(()).unwrap().into_parts().0;
    assert_eq!(refused(&console, &posted), ProblemCode::MethodNotAllowed);
    assert_eq!(refused(&Console::Off, &head("/", "localhost")), ProblemCode::NotFound);
    let check = || Err(Problem::new(ProblemCode::Forbidden, "admin token not configured"));
    for path in ["/", "/console/console.js", "/console/nothing"] {
        assert_eq!(console.answer(&head(path, "localhost"), check).unwrap_err().code, ProblemCode::Forbidden);
    }
}

#[test]
fn every_file_of_the_folder_is_served_and_all_have_at_most_250_kibibytes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("console");
    let served =
        |name: &str| FILES.iter().chain([&OPERATIONS]).any(|(path, ..)| *path == name) || name == "console.html";
    for (prefix, folder) in [("", folder.clone()), ("vendor/", folder.join("vendor"))] {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            assert!(served(&name) || name == "vendor/README.md", "{name}");
        }
    }
    let all = FILES.iter().chain([&OPERATIONS]).map(|(.., content)| content.len()).sum::<usize>() + PAGE.len();
    assert!(all <= LARGEST, "{all} bytes");
}

#[test]
fn pages_of_other_origins_get_no_file_of_the_console_and_may_only_link_to_its_page() {
    let console = on(HubPlace::PublicUrl("https://hub.example".into()));
    let verdict = |path: &str, site: &str, mode: &str, target: &str| {
        let request = Request::get(path).header("Sec-Fetch-Site", site).header("Sec-Fetch-Mode", mode);
        let (head, ()) = request.header("Sec-Fetch-Dest", target).body(()).unwrap().into_parts();
        console.answer(&head, || Ok(())).map_or_else(|problem| problem.code.code(), |_| "shown")
    };
    for site in ["cross-site", "same-site"] {
        assert_eq!(verdict("/", site, "navigate", "document"), "shown");
        for (mode, target) in [("navigate", "iframe"), ("no-cors", "image"), ("cors", "empty"), ("no-cors", "document")]
        {
            assert_eq!(verdict("/", site, mode, target), "forbidden", "{mode} {target}");
        }
        for path in ["/console/console.js", "/console/operations.md"] {
            assert_eq!(verdict(path, site, "no-cors", "script"), "forbidden");
            assert_eq!(verdict(path, site, "navigate", "document"), "forbidden");
        }
    }
    assert_eq!(verdict("/", "none", "navigate", "document"), "shown");
    assert_eq!(verdict("/console/console.js", "same-origin", "no-cors", "script"), "shown");
}
