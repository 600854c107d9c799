//! Telegram, Viber and WhatsApp against a receiver on this machine that speaks as they do.

use std::sync::atomic::{AtomicI64, Ordering};

use kairos_delivery::messengers::{Bases, Messenger, Messengers};
use kairos_delivery::tokens::{Token, Tokens};
use kairos_engine::bounds::MESSENGER_PAUSE;
use kairos_engine::playbook::{Channel, LinkButton, TelegramSettings, ViberSettings, WhatsappSettings};
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::delivery::{Answer, AnswerClass, Content};
use kairos_protocol::port::{Clock, Fault};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::example_order;
use crate::receiver::{Behaviour, Received, Receiver};

const MESSENGERS: [Channel; 3] = [Channel::Telegram, Channel::Viber, Channel::Whatsapp];
const TELEGRAM_TOKEN: &str = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11";

struct Secrets;

impl Tokens for Secrets {
    async fn current(&self, messenger: Messenger, _now: Timestamp) -> Result<Token, Fault> {
        Ok(match messenger {
            Messenger::Telegram => Token::telegram(TELEGRAM_TOKEN).unwrap(),
            Messenger::Viber | Messenger::Whatsapp => Token::in_header(&format!("{messenger}-token")).unwrap(),
        })
    }
}

/// A clock that stands still until it is set.
#[derive(Default)]
struct Still(AtomicI64);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    async fn sleep_until(&self, time: Timestamp) {
        self.0.store(time.as_millis(), Ordering::SeqCst);
    }
}

fn content(channel: Channel, picture: Option<&str>) -> Content {
    let picture = picture.map(str::to_owned);
    let text = "Your <b>mug</b> &amp; you".to_owned();
    let button = Some(LinkButton { text: "Tea & <cake>".into(), link: "https://shop.example/?a=1&b=\"2".into() });
    match channel {
        Channel::Viber => {
            let sender = ViberSettings { sender: "Shop".into(), avatar: Some("https://shop.example/logo.jpg".into()) };
            Content::Viber { sender, text, picture, button }
        }
        Channel::Whatsapp => Content::Whatsapp {
            sender: WhatsappSettings { phone_number_id: "1055".into(), api_version: "v25.0".into() },
            template: "abandoned_cart".into(),
            language: "en_US".into(),
            parameters: vec!["Ada".into(), "Blue \"Mug\"".into()],
            picture,
        },
        _ => Content::Telegram { sender: TelegramSettings { silent: true }, text, picture, button },
    }
}

/// What a messenger that behaves like this makes of a message, and what it got.
async fn answer_to(channel: Channel, behaviour: Behaviour, picture: Option<&str>) -> (Answer, Vec<Received>) {
    let receiver = Receiver::start(behaviour).await;
    let bases = Bases::stand_in(&receiver.address.to_string()).unwrap();
    let messengers = Messengers::new(Secrets, bases).with_timeout(Span::from_millis(700));
    let order = example_order(channel.as_str());
    let answer = messengers.send(&order, &content(channel, picture), &Still::default()).await;
    (answer, receiver.requests())
}

/// What each says when it has taken a message.
fn taken(channel: Channel) -> Value {
    match channel {
        Channel::Viber => {
            json!({ "status": 0, "status_message": "ok", "message_token": 5_741_311_803_571_721_087_u64 })
        }
        Channel::Whatsapp => json!({ "messaging_product": "whatsapp", "messages": [{ "id": "wamid.HBgM" }] }),
        _ => json!({ "ok": true, "result": { "message_id": 42 } }),
    }
}

fn says(status: &str, body: &Value) -> Behaviour {
    Receiver::answers(status, "content-type: application/json\r\n", &body.to_string())
}

fn body(request: &Received) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[tokio::test]
async fn a_message_arrives_as_each_messenger_documents_it() {
    let picture = Some("https://shop.example/mug.jpg");
    let (answer, requests) = answer_to(Channel::Telegram, says("200 OK", &taken(Channel::Telegram)), picture).await;
    assert_eq!((answer.class, answer.provider_id.as_deref()), (AnswerClass::Sent, Some("42")));
    assert_eq!(requests[0].line, format!("POST /telegram/bot{TELEGRAM_TOKEN}/sendPhoto HTTP/1.1"));
    assert_eq!(
        body(&requests[0]),
        json!({
            "chat_id": 123_456_789, "photo": picture, "caption": "Your <b>mug</b> &amp; you", "parse_mode": "HTML",
            "disable_notification": true,
            "reply_markup": { "inline_keyboard":
                [[{ "text": "Tea & <cake>", "url": "https://shop.example/?a=1&b=\"2" }]] },
        })
    );
    let (_, requests) = answer_to(Channel::Telegram, says("200 OK", &taken(Channel::Telegram)), None).await;
    assert_eq!(requests[0].line, format!("POST /telegram/bot{TELEGRAM_TOKEN}/sendMessage HTTP/1.1"));
    assert_eq!(body(&requests[0])["text"], "Your <b>mug</b> &amp; you");

    let (answer, requests) = answer_to(Channel::Viber, says("200 OK", &taken(Channel::Viber)), picture).await;
    assert_eq!((answer.class, answer.provider_id.as_deref()), (AnswerClass::Sent, Some("5741311803571721087")));
    assert_eq!(requests[0].line, "POST /viber/pa/send_message HTTP/1.1");
    assert_eq!(requests[0].headers["x-viber-auth-token"], "viber-token");
    assert_eq!(
        body(&requests[0]),
        json!({
            "receiver": "01234567890A=", "type": "picture", "text": "Your <b>mug</b> &amp; you", "media": picture,
            "sender": { "name": "Shop", "avatar": "https://shop.example/logo.jpg" }, "min_api_version": 1,
            "tracking_data": example_order("viber").delivery.to_string(),
            "keyboard": { "Type": "keyboard", "Buttons": [{ "Columns": 6, "Rows": 1, "ActionType": "open-url",
                "ActionBody": "https://shop.example/?a=1&b=\"2", "Text": "Tea &amp; &lt;cake&gt;" }] },
        })
    );

    let (answer, requests) = answer_to(Channel::Whatsapp, says("200 OK", &taken(Channel::Whatsapp)), picture).await;
    assert_eq!((answer.class, answer.provider_id.as_deref()), (AnswerClass::Sent, Some("wamid.HBgM")));
    assert_eq!(requests[0].line, "POST /whatsapp/v25.0/1055/messages HTTP/1.1");
    assert_eq!(requests[0].headers["authorization"], "Bearer whatsapp-token");
    let text = |text: &str| json!({ "type": "text", "text": text });
    assert_eq!(
        body(&requests[0]),
        json!({
            "messaging_product": "whatsapp", "recipient_type": "individual", "to": "+33612345678", "type": "template",
            "template": { "name": "abandoned_cart", "language": { "code": "en_US" }, "components": [
                { "type": "header", "parameters": [{ "type": "image", "image": { "link": picture } }] },
                { "type": "body", "parameters": [text("Ada"), text("Blue \"Mug\"")] },
            ] },
            "biz_opaque_callback_data": example_order("whatsapp").delivery.to_string(),
        })
    );
}

#[tokio::test]
async fn each_documented_refusal_means_what_its_table_says() {
    use AnswerClass as A;
    let telegram = |code: u16, why: &str| json!({ "ok": false, "error_code": code, "description": why });
    let viber = |status: i64| json!({ "status": status, "status_message": "why" });
    let whatsapp = |code: i64| json!({ "error": { "message": "why", "code": code, "fbtrace_id": "A" } });
    for (channel, status, said, class, code) in [
        (
            Channel::Telegram,
            "403 Forbidden",
            telegram(403, "Forbidden: bot was blocked by the user"),
            A::PermanentAddress,
            "403",
        ),
        (
            Channel::Telegram,
            "400 Bad Request",
            telegram(400, "Bad Request: chat not found"),
            A::PermanentAddress,
            "400",
        ),
        (Channel::Telegram, "401 Unauthorized", telegram(401, "Unauthorized"), A::Configuration, "401"),
        (Channel::Viber, "200 OK", viber(6), A::PermanentAddress, "6"),
        (Channel::Viber, "200 OK", viber(12), A::Retryable, "12"),
        (Channel::Viber, "200 OK", viber(2), A::Configuration, "2"),
        (Channel::Whatsapp, "400 Bad Request", whatsapp(131_026), A::PermanentAddress, "131026"),
        (Channel::Whatsapp, "400 Bad Request", whatsapp(131_049), A::PermanentMessage, "131049"),
        (Channel::Whatsapp, "429 Too Many Requests", whatsapp(130_429), A::Retryable, "130429"),
        (Channel::Whatsapp, "401 Unauthorized", whatsapp(190), A::Configuration, "190"),
    ] {
        let (answer, requests) = answer_to(channel, says(status, &said), None).await;
        assert_eq!((answer.class, answer.code.as_str()), (class, code), "{channel} {said}");
        assert_eq!(requests.len(), 1, "the client never tries again by itself");
    }
}

#[tokio::test]
async fn what_was_perhaps_taken_is_unknown_and_no_token_is_told() {
    for channel in MESSENGERS {
        for (behaviour, code) in [
            (Behaviour::Silent, "timeout"),
            (Behaviour::HangsUp, "connection_lost"),
            // It has begun to say that it has taken the message.
            (Behaviour::Answers(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()), "connection_lost"),
            (Receiver::answers("200 OK", "", "<html>a proxy's page</html>"), "200"),
            (Receiver::answers("502 Bad Gateway", "", ""), "502"),
        ] {
            let (answer, requests) = answer_to(channel, behaviour, None).await;
            assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Unknown, code), "{channel}");
            assert_eq!(requests.len(), 1);
            let told = format!("{answer:?}");
            assert!(!told.contains("ABC-DEF") && !told.contains("-token"), "{told}");
        }
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let messengers = Messengers::new(Secrets, Bases::stand_in(&nobody.to_string()).unwrap());
        let order = example_order(channel.as_str());
        let answer = messengers.send(&order, &content(channel, None), &Still::default()).await;
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Retryable, "no_connection"), "{channel}");
        assert!(!format!("{answer:?}").contains("ABC-DEF"));
    }
}

#[tokio::test]
async fn a_messenger_that_asks_for_a_pause_gets_one_and_the_others_none() {
    let limited = json!({ "ok": false, "error_code": 429, "description": "Too Many Requests: retry after 17",
        "parameters": { "retry_after": 17 } });
    let receiver = Receiver::start(says("429 Too Many Requests", &limited)).await;
    let messengers = Messengers::new(Secrets, Bases::stand_in(&receiver.address.to_string()).unwrap());
    let clock = Still::default();
    let order = example_order("telegram");
    let answer = messengers.send(&order, &content(Channel::Telegram, None), &clock).await;
    assert_eq!((answer.class, answer.retry_after_ms), (AnswerClass::Retryable, Some(Span::from_secs(17))));

    clock.sleep_until(Timestamp::from_millis(10_000)).await;
    let paused = messengers.ready(Channel::Telegram, &clock).await.unwrap_err();
    assert_eq!((paused.class, paused.code.as_str()), (AnswerClass::Retryable, "paused"));
    assert_eq!(paused.retry_after_ms, Some(Span::from_secs(7)));
    for other in [Channel::Viber, Channel::Whatsapp, Channel::Email, Channel::Sms, Channel::Webhook] {
        assert_eq!(messengers.ready(other, &clock).await, Ok(()), "{other}");
    }
    assert_eq!(clock.now(), Timestamp::from_millis(10_000), "nobody waits so long");

    // What is left of it now is waited out.
    clock.sleep_until(Timestamp::from_millis(12_000)).await;
    assert_eq!(messengers.ready(Channel::Telegram, &clock).await, Ok(()));
    assert_eq!(clock.now(), Timestamp::from_millis(17_000));
    assert_eq!(messengers.ready(Channel::Telegram, &clock).await, Ok(()));
    assert_eq!(clock.now(), Timestamp::from_millis(17_000));

    // Without a word about how long, a usual one; for one user only, none.
    for (code, pause) in [(130_429, MESSENGER_PAUSE), (131_056, Span::default())] {
        let said = json!({ "error": { "message": "why", "code": code } });
        let receiver = Receiver::start(says("400 Bad Request", &said)).await;
        let messengers = Messengers::new(Secrets, Bases::stand_in(&receiver.address.to_string()).unwrap());
        messengers.send(&example_order("whatsapp"), &content(Channel::Whatsapp, None), &clock).await;
        let said_at = clock.now();
        assert_eq!(messengers.ready(Channel::Whatsapp, &clock).await, Ok(()));
        assert_eq!(clock.now().since(said_at), pause, "{code}");
    }
}

/// What the shop does not use, and what somebody has stored wrongly.
struct NoSecrets;

impl Tokens for NoSecrets {
    async fn current(&self, messenger: Messenger, _now: Timestamp) -> Result<Token, Fault> {
        let (what, why) = ("SecretsManager GetSecretValue", "it is not there".to_owned());
        match messenger {
            Messenger::Viber => Err(Fault::Retryable { what, why }),
            Messenger::Telegram | Messenger::Whatsapp => Err(Fault::Permanent { what, why }),
        }
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_called_and_nothing_else_is_affected() {
    let receiver = Receiver::start(says("200 OK", &taken(Channel::Telegram))).await;
    let messengers = Messengers::new(NoSecrets, Bases::stand_in(&receiver.address.to_string()).unwrap());
    for (channel, class, code) in [
        (Channel::Telegram, AnswerClass::Configuration, "token"),
        (Channel::Whatsapp, AnswerClass::Configuration, "token"),
        (Channel::Viber, AnswerClass::Retryable, "token_unavailable"),
    ] {
        let ready = messengers.ready(channel, &Still::default()).await.unwrap_err();
        let order = example_order(channel.as_str());
        let sent = messengers.send(&order, &content(channel, None), &Still::default()).await;
        for answer in [ready, sent] {
            assert_eq!((answer.class, answer.code.as_str()), (class, code), "{channel}");
        }
    }
    assert_eq!(messengers.ready(Channel::Email, &Still::default()).await, Ok(()));
    assert_eq!(receiver.connections.load(Ordering::SeqCst), 0);
}
