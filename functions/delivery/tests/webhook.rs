//! The webhook channel against a real receiver on this machine.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lambda_events::event::sqs::SqsEvent;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kairos_delivery::function::incoming;
use kairos_delivery::webhook::addresses::Names;
use kairos_delivery::webhook::{PrivateHosts, SigningKey, SigningKeys, Webhook};
use kairos_engine::bounds::ANSWER_TEXT_BYTES_MAX;
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::WebhookSettings;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::delivery::{Answer, AnswerClass};
use kairos_protocol::port::Fault;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: Timestamp = Timestamp::from_millis(1_795_262_400_750);

struct Key;

impl SigningKeys for Key {
    async fn current(&self, _now: Timestamp) -> Result<SigningKey, Fault> {
        Ok(SigningKey::parse(SECRET).unwrap())
    }
}

/// What a request said.
#[derive(Clone, Debug)]
struct Received {
    line: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// What a receiver does after it has read a request.
#[derive(Clone)]
enum Behaviour {
    /// Writes this and closes.
    Answers(Vec<u8>),
    /// Writes this, and then the same chunk without end.
    NeverStops(Vec<u8>),
    /// Keeps the connection open and says nothing.
    Silent,
    /// Closes the connection.
    HangsUp,
}

/// A receiver on a port of its own.
struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
}

impl Receiver {
    async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (log, count) = (Arc::clone(&received), Arc::clone(&connections));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, behaviour.clone(), Arc::clone(&log)));
            }
        });
        Self { address, received, connections }
    }

    fn answers(status: &str, headers: &str, body: &str) -> Behaviour {
        let length = body.len();
        let text = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
        Behaviour::Answers(text.into_bytes())
    }

    fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/hook", self.address.port())
    }

    /// What a webhook that may reach this receiver answers.
    async fn webhook(&self) -> Answer {
        let hosts = PrivateHosts::parse(&self.address.to_string()).unwrap();
        send(&Webhook::new(hosts, Key), &self.url("127.0.0.1")).await
    }

    fn requests(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn serve(mut stream: tokio::net::TcpStream, behaviour: Behaviour, log: Arc<Mutex<Vec<Received>>>) {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        let mut chunk = [0; 4096];
        let Ok(read @ 1..) = stream.read(&mut chunk).await else { return };
        bytes.extend_from_slice(&chunk[..read]);
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers["content-length"].parse().unwrap();
    while bytes.len() < head_end + length {
        let mut chunk = [0; 4096];
        let Ok(read @ 1..) = stream.read(&mut chunk).await else { return };
        bytes.extend_from_slice(&chunk[..read]);
    }
    log.lock().unwrap().push(Received { line, headers, body: bytes[head_end..].to_vec() });
    match behaviour {
        // A sender that has read enough hangs up on us: nothing to assert on.
        Behaviour::Answers(answer) => drop(stream.write_all(&answer).await),
        Behaviour::NeverStops(head) => {
            drop(stream.write_all(&head).await);
            while stream.write_all(&[b'x'; 1024]).await.is_ok() {}
        }
        Behaviour::Silent => {
            let _ = stream.read(&mut [0]).await;
        }
        Behaviour::HangsUp => {}
    }
}

fn order() -> DeliveryOrder {
    let event: SqsEvent = serde_json::from_str(include_str!("../events/webhook.json")).unwrap();
    incoming(&event.records[0]).message.unwrap().order().clone()
}

async fn send<N: Names>(webhook: &Webhook<Key, N>, url: &str) -> Answer {
    webhook.send(&order(), &WebhookSettings { url: url.to_owned() }, "Your mug is waiting.", NOW).await
}

/// HMAC-SHA256 by RFC 2104, written out: not the code under test.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

#[tokio::test]
async fn a_webhook_arrives_signed_and_with_all_it_is_about() {
    let receiver = Receiver::start(Receiver::answers("202 Accepted", "", "")).await;
    let answer = receiver.webhook().await;
    assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Sent, "202"));

    let requests = receiver.requests();
    let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
    assert_eq!(request.line, "POST /hook HTTP/1.1");
    let id = order().delivery.to_string();
    assert_eq!(request.headers["webhook-id"], id);
    assert_eq!(request.headers["idempotency-key"], id);
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["webhook-timestamp"], "1795262400");

    let mut signed = format!("{id}.1795262400.").into_bytes();
    signed.extend_from_slice(&request.body);
    let key = STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    let expected = format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &signed)));
    assert_eq!(request.headers["webhook-signature"], expected);

    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["type"], "message.v1");
    assert_eq!(body["data"]["delivery"], id);
    assert_eq!(body["data"]["user_id"], "42");
    assert_eq!(body["data"]["play"], "abandoned-cart");
    assert_eq!(body["data"]["text"], "Your mug is waiting.");
    assert_eq!(body["data"]["cart"]["items"][0]["price"], 14.9);
    assert_eq!(body["data"]["cart"]["total"], 29.8);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Receiver::start(Receiver::answers("200 OK", "", "")).await;
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!("location: {}\r\n", target.url("127.0.0.1"));
        let receiver = Receiver::start(Receiver::answers(status, &location, "")).await;
        let answer = receiver.webhook().await;
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Configuration, &status[..3]));
        assert_eq!(receiver.requests().len(), 1);
    }
    assert_eq!(target.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_refusal_is_recorded_with_its_beginning_and_when_to_come_back() {
    let long = "sold out ".repeat(10_000);
    let receiver = Receiver::start(Receiver::answers("429 Too Many Requests", "retry-after: 7\r\n", &long)).await;
    let answer = receiver.webhook().await;
    assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Retryable, "429"));
    assert_eq!(answer.retry_after_ms, Some(Span::from_secs(7)));
    let detail = answer.detail.unwrap();
    assert!(detail.starts_with("sold out sold out") && detail.len() <= ANSWER_TEXT_BYTES_MAX);
    assert_eq!(receiver.requests().len(), 1, "the client never tries again by itself");
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    for (status, class) in [("200 OK", AnswerClass::Sent), ("500 Internal Server Error", AnswerClass::Retryable)] {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: 1000000000000\r\n\r\n");
        let receiver = Receiver::start(Behaviour::NeverStops(head.into_bytes())).await;
        assert_eq!(receiver.webhook().await.class, class);
    }
}

#[tokio::test]
async fn a_receiver_that_says_nothing_in_time_may_have_got_it() {
    let receiver = Receiver::start(Behaviour::Silent).await;
    let hosts = PrivateHosts::parse(&receiver.address.to_string()).unwrap();
    let webhook = Webhook::new(hosts, Key).with_timeout(Span::from_millis(500));
    let answer = send(&webhook, &receiver.url("127.0.0.1")).await;
    assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Unknown, "timeout"));
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_may_have_delivered_and_one_that_never_was_has_not() {
    let receiver = Receiver::start(Behaviour::HangsUp).await;
    let answer = receiver.webhook().await;
    assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Unknown, "connection_lost"));
    assert_eq!(receiver.requests().len(), 1);

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let webhook = Webhook::new(PrivateHosts::parse(&nobody.to_string()).unwrap(), Key);
    let answer = send(&webhook, &format!("http://{nobody}/hook")).await;
    assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Retryable, "no_connection"));
}

#[tokio::test]
async fn private_addresses_and_plain_http_are_refused_before_anything_is_sent() {
    let receiver = Receiver::start(Receiver::answers("200 OK", "", "")).await;
    let port = receiver.address.port();
    let webhook = Webhook::new(PrivateHosts::default(), Key);
    for (url, code) in [
        (format!("http://127.0.0.1:{port}/hook"), "not_https"),
        (format!("https://127.0.0.1:{port}/hook"), "not_public"),
        (format!("https://[::ffff:127.0.0.1]:{port}/hook"), "not_public"),
        (format!("https://2130706433:{port}/hook"), "not_public"),
        (format!("https://localhost:{port}/hook"), "not_public"),
        ("https://169.254.169.254/latest/meta-data/".to_owned(), "not_public"),
        ("ftp://shop.example/".to_owned(), "not_https"),
        ("not a url".to_owned(), "not_a_url"),
    ] {
        let answer = send(&webhook, &url).await;
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Configuration, code), "{url}");
    }
    assert_eq!(receiver.connections.load(Ordering::SeqCst), 0);
}

/// A name whose owner changes where it points with every question.
#[derive(Clone)]
struct Changing {
    answers: Arc<Vec<Vec<IpAddr>>>,
    asked: Arc<AtomicUsize>,
}

impl Names for Changing {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        assert_eq!(name, "rebinding.example");
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.answers[asked % self.answers.len()].clone())
    }
}

#[tokio::test]
async fn a_name_that_points_inside_is_refused_whenever_it_does() {
    let receiver = Receiver::start(Receiver::answers("200 OK", "", "")).await;
    let inside: IpAddr = "127.0.0.1".parse().unwrap();
    let outside: IpAddr = "1.1.1.1".parse().unwrap();
    let url = format!("https://rebinding.example:{}/hook", receiver.address.port());
    for answers in [vec![vec![inside]], vec![vec![outside, inside]], vec![vec![inside], vec![outside]]] {
        let asked = Arc::new(AtomicUsize::new(0));
        let names = Changing { answers: Arc::new(answers), asked: Arc::clone(&asked) };
        let webhook = Webhook::with_names(PrivateHosts::default(), Key, names);
        let answer = send(&webhook, &url).await;
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Configuration, "not_public"));
        assert_eq!(asked.load(Ordering::SeqCst), 1, "the address that was checked is the one that is used");
    }
    assert_eq!(receiver.connections.load(Ordering::SeqCst), 0);
}
