//! A registry that means harm, scripted: what it is told, and how far it gets.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use lovage_job::name::Digest;
use lovage_tests::{Output, REGISTRY_PASSWORD, REGISTRY_USER};

use crate::small::{Ground, numbers};

/// A request as it came: its first line and its headers.
type Request = Vec<String>;
/// What is answered to a request.
type Script = dyn Fn(&Request) -> Vec<u8> + Send + Sync;

/// A server that answers as its script says, and remembers what it was asked. Its thread ends with the test process.
struct Fake {
    host: String,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    fn start(script: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, script): (_, Arc<Script>) = (asked.clone(), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, script) = (seen.clone(), script.clone());
                thread::spawn(move || serve(&stream.unwrap(), &seen, &*script));
            }
        });
        Self { host, asked }
    }

    fn requests(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, seen: &Mutex<Vec<Request>>, script: &Script) {
    let lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let request: Request = lines.collect();
    if request.is_empty() {
        return;
    }
    let answer = script(&request);
    seen.lock().unwrap().push(request);
    // whoever asked may have had enough
    let mut stream = stream;
    let _ = stream.write_all(&answer);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read(&mut [0; 1]);
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    [format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").as_bytes(), body].concat()
}

fn ok(body: &[u8]) -> Vec<u8> {
    answer("200 OK", body)
}

fn manifest(component: &[u8], size: usize) -> Vec<u8> {
    let empty = Digest::of(b"{}");
    serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": empty, "size": 2},
        "layers": [{"mediaType": "application/wasm", "digest": Digest::of(component), "size": size}],
    })
    .to_string()
    .into_bytes()
}

fn is_for(request: &Request, what: &str) -> bool {
    request[0].contains(what)
}

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let mut headers = request.iter().filter_map(|line| line.split_once(": "));
    headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn push(ground: &Ground, fake: &Fake) -> Output {
    let password = ground.file("password", REGISTRY_PASSWORD.as_bytes());
    let reference = format!("oci://{}/answer:1", fake.host);
    let password = password.to_str().unwrap();
    ground.cli.run(["push", &reference, "--registry-user", REGISTRY_USER, "--registry-password-file", password])
}

#[test]
fn size_is_checked_before_a_component_is_asked_for() {
    let ground = Ground::new();
    let component = numbers(&[("answer", 1)]);
    let text = manifest(&component, 20 << 20);
    let fake = Fake::start(move |_| ok(&text));
    let told = push(&ground, &fake).fails_with(2);
    assert!(told.stderr.contains("20971520 bytes, more than 16777216"), "{}", told.stderr);
    assert!(!fake.requests().iter().any(|request| is_for(request, "/blobs/")), "{:?}", fake.requests());
}

#[test]
fn more_than_was_announced_is_not_read() {
    let ground = Ground::new();
    let component = numbers(&[("answer", 1)]);
    let text = manifest(&component, component.len());
    let fake = Fake::start(move |request| match is_for(request, "/manifests/") {
        true => ok(&text),
        // as long as the connection lives, had it not been cut
        false => [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &vec![7; 8 << 20]].concat(),
    });
    let told = push(&ground, &fake).fails_with(2);
    assert!(told.stderr.contains(&format!("more than {}", component.len())), "{}", told.stderr);

    let fake = Fake::start(|_| ok(&vec![b' '; (4 << 20) + 1]));
    let told = push(&ground, &fake).fails_with(2);
    assert!(told.stderr.contains("more than 4194304"), "{}", told.stderr);
}

#[test]
fn digest_that_a_registry_tells_of_a_tag_is_that_of_its_manifest() {
    let ground = Ground::new();
    let component = numbers(&[("answer", 1)]);
    let other = Digest::of(b"other");
    let text = manifest(&component, component.len());
    let fake = Fake::start(move |_| answer(&format!("200 OK\r\nDocker-Content-Digest: {other}"), &text));
    let told = push(&ground, &fake).fails_with(2);
    assert!(told.stderr.contains("the manifest of"), "{}", told.stderr);
}

#[test]
fn redirects_are_bounded_and_lead_to_no_plain_stranger() {
    let ground = Ground::new();
    let fake = Fake::start(|request| {
        let path = request[0].split(' ').nth(1).unwrap_or_default();
        answer(&format!("307 Temporary Redirect\r\nLocation: {path}x"), b"")
    });
    let told = push(&ground, &fake).fails_with(3);
    assert!(told.stderr.contains("redirects more than 5 times"), "{}", told.stderr);
    assert_eq!(fake.requests().len(), 6);

    let stranger = Fake::start(|_| ok(b"{}"));
    for place in [
        format!("http://{}/", stranger.host),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        format!("http://{}@{}/", REGISTRY_USER, stranger.host),
        "file:///etc/passwd".to_owned(),
    ] {
        let fake = Fake::start(move |_| answer(&format!("302 Found\r\nLocation: {place}"), b""));
        let told = push(&ground, &fake).fails_with(3);
        assert!(told.stderr.contains("neither itself nor secure"), "{}", told.stderr);
    }
    assert!(stranger.requests().is_empty(), "{:?}", stranger.requests());
}

#[test]
fn tokens_are_asked_for_as_the_registry_says_and_passwords_stay_where_they_belong() {
    let ground = Ground::new();
    let component = numbers(&[("answer", 1)]);
    let text = manifest(&component, component.len());
    let bytes = component.clone();
    let host = Arc::new(Mutex::new(String::new()));
    let realm = host.clone();
    let fake = Fake::start(move |request| {
        let realm = realm.lock().unwrap();
        let told =
            format!("401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"http://{realm}/token\",service=\"fake\"");
        match (is_for(request, "/token?"), header(request, "authorization")) {
            (true, Some(login)) if login.starts_with("Basic ") => ok(br#"{"token":"abc.def"}"#),
            (false, Some("Bearer abc.def")) if is_for(request, "/manifests/") => ok(&text),
            (false, Some("Bearer abc.def")) => ok(&bytes),
            _ => answer(&told, b""),
        }
    });
    host.lock().unwrap().clone_from(&fake.host);
    let _ = push(&ground, &fake).ok();
    let requests = fake.requests();
    let first = &requests[0];
    assert!(header(first, "authorization").is_none(), "nobody is told a password who did not ask: {first:?}");
    let token = requests.iter().find(|request| is_for(request, "/token?")).unwrap();
    assert!(token[0].contains("service=fake") && token[0].contains("scope=repository%3Aanswer%3Apull"), "{token:?}");

    // a registry that wants the password sent elsewhere, in the clear
    let thief = Fake::start(|_| ok(br#"{"token":"abc"}"#));
    let realm = thief.host.clone();
    let fake = Fake::start(move |_| {
        answer(&format!("401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"http://{realm}/token\""), b"")
    });
    let told = push(&ground, &fake).fails_with(3);
    assert!(told.stderr.contains("neither itself nor secure"), "{}", told.stderr);
    assert!(thief.requests().is_empty(), "{:?}", thief.requests());
}
