//! Links: a message carries short ones, they lead by device, a click is counted once and starts plays, and what is
//! forged, changed or expired leads nowhere and changes nothing.

use std::collections::BTreeMap;
use std::time::Instant;

use aws_sdk_dynamodb::types::AttributeValue;
use kairos_cloud::link_keys::{LinkKeys, NotOpened};
use kairos_cloud::links::LinksTable;
use kairos_engine::bounds::LINK_KEY_ASKED_AGAIN_AFTER;
use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{
    AppLink, Channel, ChannelOrder, Destination, EmailTemplate, EventMatch, EventPattern, LinkSettings,
    LocalizedMessage, Message, PageOrPlace, Place, PlaceSelector, Play, Playbook, PlaybookVersion, Property,
    PropertyFilter, SmsTemplate, Step, TraitValue, Trigger, Utm, ValueTest,
};
use kairos_engine::time::Span;
use kairos_protocol::delivery::DeliveryRecord;
use kairos_protocol::links::{LinkRecords, LinksId, LinksSaved};
use kairos_protocol::signed_links::{Purpose, Refusal};
use reqwest::header::{HeaderMap, LOCATION};
use serde_json::json;

use crate::harness::shopper::now;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, playbook, run, tell};

const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
const ANDROID: &str =
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36";
const DESKTOP: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36";
const SLACK: &str = "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)";
const GMAIL: &str = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";

/// The playbook of these tests: news by SMS or email, and what follows a click on the cart and an opened email.
pub(crate) fn with_links(webhook_url: &str) -> Playbook {
    let base = playbook::playbook(webhook_url);
    let track = |name: EventName| EventMatch::all(EventPattern::Track(name));
    let where_is = |event: EventName, name: &str, value: &str| EventMatch {
        event: EventPattern::Track(event),
        filters: vec![PropertyFilter {
            property: Property::Own([name.into()].into()),
            is: ValueTest::Equal(TraitValue::Text(value.into())),
            currency: None,
        }],
    };
    let play = |name: &str, on: EventMatch, message: &str, channels: Vec<Channel>| Play {
        name: name.into(),
        title: name.into(),
        trigger: Trigger::Event(vec![on]),
        valid_for: Span::from_hours(1),
        steps: vec![Step::Send { message: message.into(), channels, order: Default::default() }],
        ..Play::default()
    };
    let message = |templates: LocalizedMessage| Message {
        default_locale: "en".into(),
        locales: BTreeMap::from([("en".to_owned(), templates)]),
        ..Message::default()
    };
    let sms = |text: &str| LocalizedMessage { sms: Some(SmsTemplate { text: text.into() }), ..Default::default() };
    let news = LocalizedMessage {
        email: Some(EmailTemplate {
            subject: "News".into(),
            text: "Your cart: https://shop.example/cart\nUs: {{ 'https://shop.example/us' | untracked }}".into(),
            html: Some(
                "<body><a href=\"https://shop.example/cart\">cart</a> <a href=\"{{ 'showroom' | link }}\">room</a></body>"
                    .into(),
            ),
        }),
        ..sms("Cart https://shop.example/cart?x=1, room {{ 'showroom' | link }}, app {{ 'app' | link }}.")
    };
    let place = |name: &str, latitude: f64| Place {
        name: name.into(),
        title: name.into(),
        kind: Some("showroom".into()),
        latitude,
        longitude: 13.4,
        radius_m: 100,
        address: None,
        url: Some(format!("https://shop.example/places/{name}")),
        time_zone: None,
        hours: Vec::new(),
    };
    let destination = Destination {
        desktop: "https://shop.example/configurator".into(),
        tablet: None,
        phone: None,
        ios_app: None,
        android_app: None,
    };
    let showroom = Destination {
        phone: Some(PageOrPlace::Nearest(PlaceSelector::Kind("showroom".into()))),
        ..destination.clone()
    };
    let store = "https://apps.apple.com/app/id1".to_owned();
    let app = Destination { ios_app: Some(AppLink { deep_link: "shop://rooms".into(), store }), ..destination };
    Playbook {
        version: PlaybookVersion("tests-links".into()),
        sources: base.sources,
        channels: base.channels,
        places: vec![place("far", 52.8), place("near", 52.51)],
        plays: vec![
            play("news", track(EventName::Custom("Wants News".into())), "news", vec![Channel::Sms, Channel::Email]),
            // The text of an email has another link to the cart than its SMS.
            play(
                "after_click",
                where_is(EventName::MessageLinkClicked, "link", "https://shop.example/cart?x=1"),
                "thanks",
                vec![Channel::Sms],
            ),
            play(
                "after_showroom",
                where_is(EventName::MessageLinkClicked, "link", "showroom"),
                "welcome",
                vec![Channel::Sms],
            ),
            Play {
                steps: vec![Step::Send {
                    message: "answer".into(),
                    channels: vec![Channel::Email, Channel::Sms],
                    order: ChannelOrder::MostEngaged,
                }],
                ..play("answer", track(EventName::Custom("Wants an Answer".into())), "answer", Vec::new())
            },
            play("after_open", where_is(EventName::MessageOpened, "play", "news"), "opened", vec![Channel::Email]),
        ],
        messages: BTreeMap::from([
            ("news".to_owned(), message(news)),
            (
                "answer".to_owned(),
                message(LocalizedMessage {
                    email: Some(EmailTemplate {
                        subject: "Hello".into(),
                        text: "{{ 'app' | link }}".into(),
                        html: None,
                    }),
                    ..sms("Hello {{ 'app' | link }}")
                }),
            ),
            ("thanks".to_owned(), message(sms("You have looked at your cart"))),
            ("welcome".to_owned(), message(sms("You have looked at the showroom"))),
            (
                "opened".to_owned(),
                message(LocalizedMessage {
                    email: Some(EmailTemplate {
                        subject: "You have read it".into(),
                        text: "No link".into(),
                        html: None,
                    }),
                    ..Default::default()
                }),
            ),
        ]),
        links: Some(LinkSettings {
            hosts: vec!["shop.example".into()],
            domain: None,
            fallback: Some("https://shop.example/over".into()),
            expires_after: Span::from_hours(24),
            opens: true,
            utm: Some(Utm { source: "kairos".into(), medium: BTreeMap::new() }),
            banner_parameter: Some("kairos_message".into()),
            destinations: BTreeMap::from([("showroom".to_owned(), showroom), ("app".to_owned(), app)]),
        }),
        ..Playbook::default()
    }
}

/// What came back for a link.
#[derive(Debug)]
pub(crate) struct Led {
    pub(crate) status: u16,
    pub(crate) to: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Stage {
    /// The path of a link as it stands in a message.
    pub(crate) fn path_of<'l>(&self, link: &'l str) -> &'l str {
        link.strip_prefix(self.output("LinksUrl")).unwrap_or_else(|| panic!("{link} leads to the function"))
    }

    async fn ask(&self, method: reqwest::Method, path: &str, agent: &str) -> Led {
        let url = format!("{}/{path}", self.stack.function_url("LinksUrl").unwrap());
        let answer = self.http.request(method, url).header("user-agent", agent).send().await.unwrap();
        let headers = answer.headers().clone();
        let to = headers.get(LOCATION).map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
        Led { status: answer.status().as_u16(), to, headers, body: answer.bytes().await.unwrap().to_vec() }
    }

    pub(crate) async fn follow(&self, path: &str, agent: &str) -> Led {
        self.ask(reqwest::Method::GET, path, agent).await
    }

    /// News that somebody has got.
    async fn news(&self, shopper: &Shopper, identify: serde_json::Value) -> DeliveryRecord {
        let wants = shopper.track(now(), "Wants News", json!({"latitude": 52.5, "longitude": 13.4}));
        self.accept(&[identify, wants]).await;
        let [record] = self.sent(shopper.key(), 1).await.try_into().unwrap();
        record
    }

    /// The three links of a news SMS: to the cart, to the showroom, into the app.
    async fn links_by_sms(&self, shopper: &Shopper) -> (DeliveryRecord, [String; 3]) {
        let record = self.news(shopper, shopper.is_customer_with_phone(now())).await;
        let [sms] = self.sms_to(&shopper.phone).await.try_into().unwrap();
        let links = sms.message.split([' ', ',']).filter(|word| word.starts_with("http"));
        let links: Vec<_> = links.map(|link| self.path_of(link.trim_end_matches('.')).to_owned()).collect();
        (record, links.try_into().unwrap_or_else(|_| panic!("{}", sms.message)))
    }

    fn links_table(&self) -> LinksTable {
        LinksTable::new(self.dynamodb.clone(), self.output("LinksTable").to_owned())
    }
}

#[test]
fn a_link_of_an_sms_leads_by_device_and_its_click_is_counted_once() {
    run(async {
        let stage = Stage::links().await;
        let ann = Shopper::new("links-sms");
        let (record, [cart, room, app]) = stage.links_by_sms(&ann).await;
        // 24 characters say which message and which link, and that both are ours.
        assert_eq!((cart.len(), room.len()), ("c/".len() + 24, "c/".len() + 26));

        const ADDED: &str = "utm_source=kairos&utm_medium=sms&utm_campaign=news&utm_content=news&kairos_message=news";
        // Who only looks what is behind a link is led there, and counts for nothing.
        let preview = stage.follow(&cart, SLACK).await;
        assert_eq!((preview.status, preview.to), (302, format!("https://shop.example/cart?x=1&{ADDED}")));
        let asked = stage.ask(reqwest::Method::HEAD, &cart, DESKTOP).await;
        assert_eq!((asked.status, asked.body.len()), (302, 0));
        assert_eq!(stage.sent(ann.key(), 1).await.len(), 1);

        let started = Instant::now();
        let led = stage.follow(&cart, DESKTOP).await;
        tell(format!("a click is led on after {} ms", started.elapsed().as_millis()));
        assert_eq!((led.status, led.to), (302, format!("https://shop.example/cart?x=1&{ADDED}")));
        assert_eq!(led.headers["cache-control"], "no-store");
        let sent = stage.sent(ann.key(), 2).await;
        assert_eq!(sent[1].message, "thanks", "the click has started a play");

        // The same link again, by another device, behind what has come since: the user knows it.
        assert_eq!(stage.follow(&cart, ANDROID).await.status, 302);
        let at = now();
        stage.accept(&[ann.track(at, "Looked Around", json!({}))]).await;
        stage.applied_to(&ann, at).await;
        assert_eq!(stage.sent(ann.key(), 2).await.len(), 2, "counted once");

        // Another link of the same message is another click; a phone is led to the nearest place, and an app is tried.
        let led = stage.follow(&room, DESKTOP).await;
        assert_eq!(led.to, format!("https://shop.example/configurator?{ADDED}"));
        let led = stage.follow(&room, ANDROID).await;
        assert_eq!(led.to, format!("https://shop.example/places/near?{ADDED}"));
        assert_eq!(stage.sent(ann.key(), 3).await[2].message, "welcome");
        let led = stage.follow(&app, IPHONE).await;
        let page = String::from_utf8(led.body).unwrap();
        assert_eq!((led.status, page.contains("href=\"shop://rooms\"")), (200, true), "{page}");
        assert_eq!(stage.follow(&app, ANDROID).await.to, format!("https://shop.example/configurator?{ADDED}"));

        let kept = stage.links_table().load(LinksId::of(record.delivery)).await.unwrap().unwrap();
        assert_eq!((kept.user, kept.links.len(), kept.revision), (ann.key(), 3, 1));
    });
}

#[test]
fn an_email_counts_its_links_and_its_opening() {
    run(async {
        let stage = Stage::links().await;
        let bea = Shopper::new("links-email");
        stage.news(&bea, bea.is_customer_with_email(now())).await;
        let [email] = stage.emails_to(&bea.email).await.try_into().unwrap();
        let (cart, us) = email.body_text.strip_prefix("Your cart: ").unwrap().split_once("\nUs: ").unwrap();
        assert_eq!(us, "https://shop.example/us", "the shop wants nobody to count this one");
        let html = email.body_html.unwrap();
        let links: Vec<_> = html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(links[0], cart, "the same page is the same link");
        let led = stage.follow(stage.path_of(links[1]), DESKTOP).await;
        assert!(
            led.to.starts_with("https://shop.example/configurator?utm_source=kairos&utm_medium=email"),
            "{}",
            led.to
        );

        let pixel = html.split("<img src=\"").nth(1).unwrap().split('"').next().unwrap();
        let preview = stage.follow(stage.path_of(pixel), SLACK).await;
        assert_eq!((preview.status, preview.body.len()), (200, 43));
        assert_eq!(stage.sent(bea.key(), 1).await.len(), 1, "a preview opens nothing");
        let opened = stage.follow(stage.path_of(pixel), GMAIL).await;
        assert_eq!(
            (opened.status, opened.body.len(), &opened.headers["content-type"]),
            (200, 43, &"image/gif".parse().unwrap())
        );
        let sent = stage.sent(bea.key(), 2).await;
        assert_eq!(sent[1].message, "opened");
        stage.follow(stage.path_of(pixel), GMAIL).await;
        let at = now();
        stage.accept(&[bea.track(at, "Looked Around", json!({}))]).await;
        stage.applied_to(&bea, at).await;
        assert_eq!(stage.sent(bea.key(), 2).await.len(), 2, "opened once");
    });
}

#[test]
fn messages_go_where_they_are_answered() {
    run(async {
        let stage = Stage::links().await;
        let eva = Shopper::new("answers");
        let traits = json!({"email": eva.email, "phone": eva.phone, "createdAt": "2020-01-01T00:00:00Z"});
        stage.accept(&[eva.identifies(now(), traits)]).await;
        let asks = async |count: usize| {
            stage.accept(&[eva.track(now(), "Wants an Answer", json!({}))]).await;
            stage.sent(eva.key(), count).await.pop().unwrap().channel
        };
        // As listed; then what has not stayed without an answer yet.
        assert_eq!((asks(1).await, asks(2).await), (Channel::Email, Channel::Sms));
        let [sms] = stage.sms_to(&eva.phone).await.try_into().unwrap();
        let link = sms.message.split(' ').find(|word| word.starts_with("http")).unwrap();
        assert_eq!(stage.follow(stage.path_of(link), ANDROID).await.status, 302);
        assert_eq!((asks(3).await, asks(4).await), (Channel::Sms, Channel::Sms));
    });
}

#[test]
fn what_is_forged_leads_nowhere_and_changes_nothing() {
    run(async {
        let stage = Stage::links().await;
        let cem = Shopper::new("links-forged");
        let (_, [cart, _, _]) = stage.links_by_sms(&cem).await;
        let token = cart.strip_prefix("c/").unwrap();
        let other = |at: usize| {
            let mut changed = token.to_owned().into_bytes();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            String::from_utf8(changed).unwrap()
        };
        for path in [
            format!("c/{}", other(2)),
            format!("c/{}", other(12)),
            format!("c/{}", other(23)),
            format!("c/{}", &token[..20]),
            format!("c/{token}A"),
            format!("o/{token}"),
            "c/https:%2F%2Fevil.example".to_owned(),
            "c/".to_owned(),
            "x".to_owned(),
            String::new(),
        ] {
            let led = stage.follow(&path, DESKTOP).await;
            assert_eq!((led.status, led.to.as_str()), (404, ""), "{path}");
            assert!(String::from_utf8(led.body).unwrap().contains("This link does not work"), "{path}");
        }
        let posted = stage.ask(reqwest::Method::POST, &cart, DESKTOP).await;
        assert_eq!((posted.status, &posted.headers["allow"]), (405, &"GET, HEAD".parse().unwrap()));

        // Nor can a client, whose key anybody may read, tell of a click.
        let at = now();
        let click = cem.track(at, "Message Link Clicked", json!({"link": "https://shop.example/cart?x=1"}));
        let answer = stage.post(&[click, cem.track(at, "Looked Around", json!({}))]).await;
        assert_eq!(answer.status, 200);
        let refused = &answer.body["refused"][0];
        assert_eq!(refused["code"], "name_reserved", "{}", answer.body);
        stage.applied_to(&cem, at).await;
        assert_eq!(stage.sent(cem.key(), 1).await.len(), 1);

        // And the link itself is as good as it was.
        assert_eq!(stage.follow(&cart, DESKTOP).await.status, 302);
        assert_eq!(stage.sent(cem.key(), 2).await[1].message, "thanks");
    });
}

#[test]
fn an_expired_link_leads_somewhere_sensible_and_counts_nothing() {
    run(async {
        let stage = Stage::links().await;
        let dana = Shopper::new("links-expired");
        let (record, [cart, _, _]) = stage.links_by_sms(&dana).await;
        let (table, id) = (stage.links_table(), LinksId::of(record.delivery));
        let mut links = table.load(id).await.unwrap().unwrap();
        // Its time passes.
        let revision = links.revision;
        (links.ends_at, links.revision) = (now(), revision + 1);
        assert_eq!(table.save(&links, Some(revision)).await.unwrap(), LinksSaved::Written);
        let led = stage.follow(&cart, DESKTOP).await;
        assert_eq!((led.status, led.to.as_str()), (302, "https://shop.example/over"));

        // And is forgotten.
        let request = stage.dynamodb.delete_item().table_name(stage.output("LinksTable"));
        request.key("id", AttributeValue::S(id.to_string())).send().await.unwrap();
        let led = stage.follow(&cart, DESKTOP).await;
        assert_eq!((led.status, led.to.as_str()), (410, ""));
        let at = now();
        stage.accept(&[dana.track(at, "Looked Around", json!({}))]).await;
        stage.applied_to(&dana, at).await;
        assert_eq!(stage.sent(dana.key(), 1).await.len(), 1);
    });
}

#[test]
fn a_key_that_is_replaced_still_opens_what_it_has_signed() {
    run(async {
        let stage = Stage::links().await;
        let client = aws_sdk_secretsmanager::Client::new(&stage.config);
        let name = format!("{}/rotated", stage.stack.stack);
        let secret = |letter: &str| letter.repeat(64);
        let created = client.create_secret().name(&name).secret_string(secret("a")).send().await.unwrap();
        let arn = created.arn().unwrap().to_owned();
        let at = now();
        let running = LinkKeys::new(client.clone(), arn.clone());
        let old = running.current(at).await.unwrap().sign(Purpose::Click, b"payload").unwrap();
        let forged = |opened: Result<Vec<u8>, NotOpened>| matches!(opened, Err(NotOpened::Refused(Refusal::Forged)));
        assert!(forged(running.open(Purpose::Click, &format!("{}A", &old[..23]), at).await), "before there are two");

        client.put_secret_value().secret_id(&arn).secret_string(secret("b")).send().await.unwrap();
        let later = eventually("the new secret is in use", PATIENCE, async || {
            let started = LinkKeys::new(client.clone(), arn.clone());
            let new = started.current(at).await.map_err(|error| error.to_string())?;
            let token = new.sign(Purpose::Click, b"payload").map_err(|error| error.to_string())?;
            if token == old { Err("the old one".to_owned()) } else { Ok((started, token)) }
        })
        .await;
        let (started, new) = later;
        assert_eq!(started.open(Purpose::Click, &old, at).await.unwrap(), b"payload");
        // A process that has known the old one for a minute asks for the new one when it needs it.
        assert!(forged(running.open(Purpose::Click, &new, at).await));
        let in_a_minute = at.plus(LINK_KEY_ASKED_AGAIN_AFTER);
        assert_eq!(running.open(Purpose::Click, &new, in_a_minute).await.unwrap(), b"payload");
        assert_eq!(running.open(Purpose::Click, &old, in_a_minute).await.unwrap(), b"payload");
    });
}
