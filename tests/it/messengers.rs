//! Telegram, Viber and WhatsApp, played by a server that speaks as they document, and fails as they do.

use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{
    Channel, ChannelSettings, ChatTemplate, EventMatch, EventPattern, LinkButton, LocalizedMessage, Message, Play,
    Playbook, PlaybookVersion, Step, TelegramSettings, Trigger, ViberSettings, WhatsappSettings, WhatsappTemplate,
};
use kairos_engine::time::Span;
use kairos_protocol::delivery::{AnswerClass, DeliveryRecord, Status};
use serde_json::{Value, json};

use crate::harness::messengers::{Mood, PHONE_NUMBER_ID, TELEGRAM_TOKEN, VIBER_TOKEN, WHATSAPP_TOKEN};
use crate::harness::shopper::now;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, playbook, run};

/// What makes the play write.
const ASKED: &str = "Chat Asked";

/// The playbook of these tests: whoever asks is answered on the first messenger that they have.
pub(crate) fn with_messengers(webhook_url: &str) -> Playbook {
    let base = playbook::playbook(webhook_url);
    let chat = |text: &str| ChatTemplate {
        text: text.into(),
        picture: Some("{{ product.image_url }}".into()),
        button: Some(LinkButton { text: "See it".into(), link: "{{ product.url }}".into() }),
    };
    let answer = LocalizedMessage {
        telegram: Some(chat("<b>{{ user.first_name | default: 'Hello' }}</b>: {{ product.name }}")),
        viber: Some(chat("{{ user.first_name | default: 'Hello' }}: {{ product.name }}")),
        whatsapp: Some(WhatsappTemplate {
            template: "answer".into(),
            language: "en_US".into(),
            parameters: vec![
                "{{ user.first_name | default: 'there' }}".into(),
                "{{ product.name | default: 'it' }}".into(),
            ],
            picture: None,
        }),
        ..LocalizedMessage::default()
    };
    let asked = EventMatch::all(EventPattern::Track(EventName::Custom(ASKED.into())));
    Playbook {
        version: PlaybookVersion("tests-messengers".into()),
        sources: base.sources,
        channels: ChannelSettings {
            telegram: Some(TelegramSettings::default()),
            viber: Some(ViberSettings { sender: "Shop".into(), avatar: None }),
            whatsapp: Some(WhatsappSettings {
                phone_number_id: PHONE_NUMBER_ID.into(),
                api_version: WhatsappSettings::usual_version(),
            }),
            ..ChannelSettings::default()
        },
        plays: vec![Play {
            name: "answer".into(),
            title: "Answer".into(),
            trigger: Trigger::Event(vec![asked]),
            valid_for: Span::from_hours(1),
            steps: vec![Step::Send {
                message: "answer".into(),
                channels: vec![Channel::Telegram, Channel::Viber, Channel::Whatsapp],
                order: Default::default(),
            }],
            ..Play::default()
        }],
        messages: [(
            "answer".to_owned(),
            Message { default_locale: "en".into(), locales: [("en".to_owned(), answer)].into(), ..Message::default() },
        )]
        .into(),
        ..Playbook::default()
    }
}

impl Stage {
    /// Stores the token of a messenger, as a shop does that begins to use it.
    pub(crate) async fn store_token(&self, channel: Channel, token: &str) {
        self.store_secret(&format!("{channel}-token"), token).await;
    }

    /// Stores a secret whose name begins with the stack's.
    pub(crate) async fn store_secret(&self, name: &str, secret: &str) {
        aws_sdk_secretsmanager::Client::new(&self.config)
            .create_secret()
            .name(format!("{}/{name}", self.stack.stack))
            .secret_string(secret)
            .send()
            .await
            .unwrap();
    }

    async fn messengers_with_tokens() -> &'static Self {
        static STORED: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
        let stage = Self::messengers().await;
        STORED
            .get_or_init(|| async {
                stage.store_token(Channel::Telegram, TELEGRAM_TOKEN).await;
                stage.store_token(Channel::Viber, VIBER_TOKEN).await;
            })
            .await;
        stage
    }

    /// Somebody with this address asks.
    async fn asks(&self, shopper: &Shopper, traits: Value) {
        let mug = json!({ "product_id": "mug-1", "name": "Mug <7> & \"co\"", "price": 4.5, "currency": "EUR",
            "image_url": "https://shop.example/mug.jpg", "url": "https://shop.example/mug?a=1&b=2" });
        self.accept(&[shopper.identifies(now(), traits), shopper.track(now(), ASKED, mug)]).await;
    }

    /// Waits until the one message to a user has come to such an end.
    async fn ended(&self, shopper: &Shopper, what: &str, is_it: impl Fn(&DeliveryRecord) -> bool) -> DeliveryRecord {
        eventually(format!("the message to {} {what}", shopper.user_id), PATIENCE, async || {
            match self.deliveries(shopper.key()).await.as_slice() {
                [Some(record)] if is_it(record) => Ok(record.clone()),
                found => Err(format!("{found:#?}\nstored: {:#?}", self.stored(shopper.key()).await)),
            }
        })
        .await
    }
}

/// An address that is nobody else's, and the trait that says it.
fn address(channel: Channel, shopper: &Shopper) -> (String, Value) {
    let number = &shopper.phone[1..];
    match channel {
        Channel::Telegram => (number.to_owned(), json!({ "telegram_chat_id": number.parse::<u64>().unwrap() })),
        Channel::Viber => (format!("{number}A="), json!({ "viber_id": format!("{number}A=") })),
        _ => (shopper.phone.clone(), json!({ "whatsapp": shopper.phone })),
    }
}

fn refused(record: &DeliveryRecord) -> bool {
    record.status == Status::Refused
}

fn sent(record: &DeliveryRecord) -> bool {
    record.status == Status::Sent
}

/// What must hold of every messenger, once it has its token.
async fn works(stage: &Stage, channel: Channel) {
    let messengers = stage.messengers.as_ref().unwrap();

    // Its users get what the play says, whatever they call themselves.
    let ann = Shopper::new("chats");
    let (to, mut traits) = address(channel, &ann);
    traits["firstName"] = json!("<a href='https://evil.example'>Ann\n</a>");
    stage.asks(&ann, traits).await;
    let record = stage.ended(&ann, "is sent", sent).await;
    assert_eq!((record.channel, &record.address), (channel, &to));
    let [taken] = messengers.taken(&to).try_into().unwrap();
    let answer = record.answer.unwrap();
    assert_eq!((answer.class, answer.provider_id.is_some()), (AnswerClass::Sent, true));
    match channel {
        Channel::Telegram => {
            let caption = "<b>&lt;a href=&#39;https://evil.example&#39;&gt;Ann &lt;/a&gt;</b>: \
                           Mug &lt;7&gt; &amp; &quot;co&quot;";
            assert_eq!(taken.body["caption"], caption);
            assert_eq!(taken.body["photo"], "https://shop.example/mug.jpg");
            let button = json!({ "text": "See it", "url": "https://shop.example/mug?a=1&b=2" });
            assert_eq!(taken.body["reply_markup"]["inline_keyboard"][0][0], button);
        }
        Channel::Viber => {
            assert_eq!(taken.body["text"], "<a href='https://evil.example'>Ann </a>: Mug <7> & \"co\"");
            assert_eq!(taken.body["type"], "picture");
            assert_eq!(taken.body["tracking_data"], record.delivery.to_string());
        }
        _ => {
            let parameters = &taken.body["template"]["components"][0]["parameters"];
            assert_eq!(parameters[0]["text"], "<a href='https://evil.example'>Ann </a>");
            assert_eq!(parameters[1]["text"], "Mug <7> & \"co\"");
            assert_eq!(taken.body["biz_opaque_callback_data"], record.delivery.to_string());
        }
    }

    // "Too many" is waited for, and costs nobody a message.
    let ben = Shopper::new("limited");
    let (to, traits) = address(channel, &ben);
    messengers.will(&to, &[Mood::Limited, Mood::Limited]);
    stage.asks(&ben, traits).await;
    let record = stage.ended(&ben, "is sent at last", sent).await;
    assert_eq!((messengers.taken(&to).len(), record.doubtful), (1, false), "{record:#?}");
    assert_eq!(messengers.calls(&to), 3, "twice too many, then taken");

    // Who has blocked the shop is not asked again.
    let cleo = Shopper::new("blocked");
    let (to, traits) = address(channel, &cleo);
    messengers.will(&to, &[Mood::Blocked]);
    stage.asks(&cleo, traits).await;
    let record = stage.ended(&cleo, "is refused", refused).await;
    assert_eq!(record.answer.map(|answer| answer.class), Some(AnswerClass::PermanentAddress));
    assert_eq!((messengers.taken(&to).len(), messengers.calls(&to)), (0, 1));

    // What was perhaps taken is sent again: at least once.
    let dora = Shopper::new("doubtful");
    let (to, traits) = address(channel, &dora);
    messengers.will(&to, &[Mood::TakesAndHangsUp]);
    stage.asks(&dora, traits).await;
    let record = stage.ended(&dora, "is sent for certain", sent).await;
    assert!(record.doubtful && record.attempts == 2, "{record:#?}");
    assert_eq!(messengers.taken(&to).len(), 2);
}

#[test]
fn telegram_gets_what_plays_say_and_fails_as_documented() {
    run(async { works(Stage::messengers_with_tokens().await, Channel::Telegram).await });
}

#[test]
fn viber_gets_what_plays_say_and_fails_inside_of_http_200() {
    run(async { works(Stage::messengers_with_tokens().await, Channel::Viber).await });
}

#[test]
fn whatsapp_waits_for_its_token_then_gets_what_plays_say_and_fails_as_documented() {
    run(async {
        let stage = Stage::messengers().await;
        let early = Shopper::new("no-token");
        let (to, traits) = address(Channel::Whatsapp, &early);
        stage.asks(&early, traits).await;
        let is_waiting = |record: &DeliveryRecord| record.answer.as_ref().is_some_and(|answer| answer.code == "token");
        let record = stage.ended(&early, "waits for a token", is_waiting).await;
        assert_eq!((record.status, record.attempts), (Status::Waiting, 0), "nothing is claimed without a token");
        let answer = record.answer.unwrap();
        assert_eq!(answer.class, AnswerClass::Configuration);
        assert!(answer.detail.unwrap().contains("store the token"), "it says what to do");
        stage.store_token(Channel::Whatsapp, WHATSAPP_TOKEN).await;
        stage.ended(&early, "is sent once there is a token", sent).await;
        assert_eq!(stage.messengers.as_ref().unwrap().taken(&to).len(), 1);
        works(stage, Channel::Whatsapp).await;
    });
}

#[test]
fn a_messenger_that_takes_a_message_and_is_silent_gets_it_again() {
    run(async {
        let stage = Stage::messengers_with_tokens().await;
        let messengers = stage.messengers.as_ref().unwrap();
        let eve = Shopper::new("silent");
        let (to, traits) = address(Channel::Telegram, &eve);
        messengers.will(&to, &[Mood::TakesAndIsSilent]);
        stage.asks(&eve, traits).await;
        let record = stage.ended(&eve, "is sent for certain", sent).await;
        assert!(record.doubtful && record.attempts == 2, "{record:#?}");
        assert_eq!(messengers.taken(&to).len(), 2, "at least once: the first was taken, too");
    });
}

#[test]
fn a_provider_that_is_out_of_order_is_left_alone_and_nothing_is_lost() {
    run(async {
        let stage = Stage::outage().await;
        stage.store_token(Channel::Whatsapp, WHATSAPP_TOKEN).await;
        let messengers = stage.messengers.as_ref().unwrap();
        messengers.is_out_of_order(true);
        let shoppers: Vec<Shopper> = (0..20).map(|_| Shopper::new("outage")).collect();
        for shopper in &shoppers {
            stage.asks(shopper, address(Channel::Whatsapp, shopper).1).await;
        }
        // Who was not tried yet is put off.
        eventually("messages are put off", PATIENCE, async || {
            let (delayed, depth) = (stage.delayed("DeliveriesQueueUrl").await, stage.depth("DeliveriesQueueUrl").await);
            if delayed.0 > 0 && depth.0 >= 20 { Ok(()) } else { Err(format!("{delayed:?} of {depth:?}")) }
        })
        .await;
        messengers.is_out_of_order(false);
        for shopper in &shoppers {
            eventually("everything is sent when it is back", 3 * PATIENCE, async || {
                match stage.deliveries(shopper.key()).await.as_slice() {
                    [Some(record)] if sent(record) => Ok(()),
                    found => Err(format!("{found:#?}")),
                }
            })
            .await;
            assert_eq!(messengers.taken(&shopper.phone).len(), 1);
        }
        assert_eq!(stage.depth("DeliveriesDeadLettersUrl").await.0, 0);
    });
}
