//! The webhook channel against a real receiver on this machine.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kairos_delivery::webhook::addresses::Names;
use kairos_delivery::webhook::{HeaderSecret, PrivateHosts, Said, SigningKey, SigningKeys, Webhook};
use kairos_engine::bounds::ANSWER_TEXT_BYTES_MAX;
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::{Purpose, WebhookHeader, WebhookSettings};
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::delivery::{Answer, AnswerClass};
use kairos_protocol::port::Fault;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use crate::example_order;
use crate::receiver::{Behaviour, Receiver};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: Timestamp = Timestamp::from_millis(1_795_262_400_750);

struct Key;

impl SigningKeys for Key {
    async fn current(&self, _now: Timestamp) -> Result<SigningKey, Fault> {
        Ok(SigningKey::parse(SECRET).unwrap())
    }

    async fn header(&self, name: &str, _now: Timestamp) -> Result<HeaderSecret, Fault> {
        match name {
            "chatbot" => Ok(HeaderSecret::parse("s3cret").unwrap()),
            _ => Err(Fault::Permanent { what: "SecretsManager GetSecretValue", why: "no such secret".into() }),
        }
    }
}

/// What a webhook that may reach this receiver answers.
async fn webhook_to(receiver: &Receiver) -> Answer {
    let hosts = PrivateHosts::parse(&receiver.address.to_string()).unwrap();
    send(&Webhook::new(hosts, Key), &receiver.url("127.0.0.1")).await
}

async fn send<N: Names>(webhook: &Webhook<Key, N>, url: &str) -> Answer {
    let receiver = WebhookSettings { url: url.to_owned(), ..WebhookSettings::default() };
    webhook.send(&example_order("webhook"), &receiver, Said::Text("Your mug is waiting."), NOW).await
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
    let answer = webhook_to(&receiver).await;
    assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Sent, "202"));

    let requests = receiver.requests();
    let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
    assert_eq!(request.line, "POST /hook HTTP/1.1");
    let id = example_order("webhook").delivery.to_string();
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
    assert_eq!(body["data"]["play"], "abandoned_cart");
    assert_eq!(body["data"]["text"], "Your mug is waiting.");
    assert_eq!(body["data"]["cart"]["items"][0]["price"], 14.9);
    assert_eq!(body["data"]["cart"]["total"], 29.8);
}

#[tokio::test]
async fn a_webhook_with_a_body_and_headers_of_its_own_gets_these_and_is_signed_all_the_same() {
    let receiver = Receiver::start(Receiver::answers("200 OK", "", "")).await;
    let hosts = PrivateHosts::parse(&receiver.address.to_string()).unwrap();
    let secret = |secret: &str, prefix: &str| WebhookHeader::Secret { secret: secret.into(), prefix: prefix.into() };
    let header = |name: &str, header: WebhookHeader| (name.to_owned(), header);
    let to = |headers: Vec<(String, WebhookHeader)>| WebhookSettings {
        url: receiver.url("127.0.0.1"),
        headers: headers.into_iter().collect(),
    };
    let webhook = Webhook::new(hosts, Key);
    let body = r#"{"text":"Your \"mug\""}"#;
    let both = to(vec![
        header("Authorization", secret("chatbot", "Bearer ")),
        header("X-Shop", WebhookHeader::Text("de".into())),
    ]);
    let test = DeliveryOrder { purpose: Purpose::Test, ..example_order("webhook") };
    for (order, is_test) in [(example_order("webhook"), false), (test, true)] {
        let answer = webhook.send(&order, &both, Said::Body(body), NOW).await;
        assert_eq!(answer.class, AnswerClass::Sent);
        let request = receiver.requests().pop().unwrap();
        assert_eq!(request.body, body.as_bytes());
        assert_eq!((&*request.headers["authorization"], &*request.headers["x-shop"]), ("Bearer s3cret", "de"));
        assert_eq!(request.headers["content-type"], "application/json");
        assert!(request.headers["webhook-signature"].starts_with("v1,"));
        assert_eq!(request.headers.contains_key("kairos-test"), is_test);
    }
    // What no check would let through is refused here, too, and shows no secret.
    for (name, value, code) in [
        ("X-Shop", WebhookHeader::Text("de\r\nX-Other: 1".into()), "header_invalid"),
        ("X Shop", WebhookHeader::Text("de".into()), "header_invalid"),
        ("Host", WebhookHeader::Text("other.example".into()), "header_invalid"),
        ("webhook-signature", WebhookHeader::Text("v1,x".into()), "header_invalid"),
        ("Authorization", secret("chatbot", "Bearer\n"), "header_invalid"),
        ("Authorization", secret("crm", ""), "secret"),
    ] {
        let answer =
            webhook.send(&example_order("webhook"), &to(vec![header(name, value)]), Said::Body(body), NOW).await;
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Configuration, code), "{name}");
        assert!(!answer.detail.unwrap().contains("s3cret"));
    }
    assert_eq!(receiver.requests().len(), 2);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Receiver::start(Receiver::answers("200 OK", "", "")).await;
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!("location: {}\r\n", target.url("127.0.0.1"));
        let receiver = Receiver::start(Receiver::answers(status, &location, "")).await;
        let answer = webhook_to(&receiver).await;
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Configuration, &status[..3]));
        assert_eq!(receiver.requests().len(), 1);
    }
    assert_eq!(target.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_refusal_is_recorded_with_its_beginning_and_when_to_come_back() {
    let long = "sold out ".repeat(10_000);
    let receiver = Receiver::start(Receiver::answers("429 Too Many Requests", "retry-after: 7\r\n", &long)).await;
    let answer = webhook_to(&receiver).await;
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
        assert_eq!(webhook_to(&receiver).await.class, class);
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
    let answer = webhook_to(&receiver).await;
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
