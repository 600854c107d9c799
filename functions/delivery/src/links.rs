//! The links of a message: kept in the table of links, and replaced by short ones of ours that are counted. Which of them
//! are and where they lead, the playbook says; how they are kept is `kairos_protocol::links`.
//!
//! A message is worth more than its clicks: when its links cannot be kept or signed, or the message would become too
//! long, it is sent with the links as they stand, which is counted as `links_left` and logged.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::sync::Arc;

use kairos_cloud::clock::SystemClock;
use kairos_cloud::link_keys::LinkKeys;
use kairos_cloud::links::LinksTable;
use kairos_cloud::telemetry;
use kairos_engine::mailbox::{DeliveryOrder, MessageData};
use kairos_engine::playbook::{LinkSettings, LocalizedMessage, PageOrPlace, Playbook, Purpose as Consented};
use kairos_messages::{Found, Link, Links, RenderError, RenderedMessage, render_linked, render_with};
use kairos_protocol::links::{MessageLinks, NotKept, Target, keep};
use kairos_protocol::port::{Clock, Fault};
use kairos_protocol::signed_links::{LinkKey, Purpose};

use crate::enrichment::nearest_with_page;

/// Where short links come from.
pub trait ShortLinks {
    /// Keeps the links of a message. `domain` is what the playbook wants links to begin with.
    fn short(&self, links: &MessageLinks, domain: Option<&str>) -> impl Future<Output = Result<Short, NotShort>>;

    /// What links begin with where the playbook wants nothing else.
    fn own_address(&self) -> &str;
}

/// Why a message has no short links.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotShort {
    /// What they lead to is not kept.
    #[error(transparent)]
    NotKept(#[from] NotKept),
    /// The key that signs them could not be read.
    #[error(transparent)]
    NoKey(#[from] Fault),
}

/// The links that were kept for a message, and what it takes to write them.
#[derive(Debug)]
pub struct Short {
    kept: MessageLinks,
    base: String,
    key: LinkKey,
}

impl Short {
    /// Links that begin with `base` (without a slash at its end), signed with this key.
    pub fn new(kept: MessageLinks, base: &str, key: LinkKey) -> Self {
        Self { kept, base: base.to_owned(), key }
    }

    fn link(&self, target: &Target) -> Option<String> {
        let payload = self.kept.id().payload(self.kept.number(target)?);
        Some(format!("{}/c/{}", self.base, self.key.sign(Purpose::Click, &payload).ok()?))
    }

    fn pixel(&self) -> Option<String> {
        Some(format!("{}/o/{}", self.base, self.key.sign(Purpose::Open, &self.kept.id().payload(0)).ok()?))
    }
}

/// The table of links, and the key that signs them: asked for with the first message that has links.
#[derive(Debug)]
pub struct StoredLinks {
    table: LinksTable,
    keys: Arc<LinkKeys>,
    address: String,
}

impl StoredLinks {
    /// The links of this table, signed with these keys; `address` is that of the function that leads on.
    pub fn new(table: LinksTable, keys: Arc<LinkKeys>, address: &str) -> Self {
        Self { table, keys, address: address.trim_end_matches('/').to_owned() }
    }
}

impl ShortLinks for StoredLinks {
    async fn short(&self, links: &MessageLinks, domain: Option<&str>) -> Result<Short, NotShort> {
        let key = self.keys.current(SystemClock.now()).await?;
        let kept = keep(&self.table, links).await?;
        telemetry::count("links_kept", kept.links.len());
        Ok(Short::new(kept, domain.unwrap_or(&self.address), key))
    }

    fn own_address(&self) -> &str {
        &self.address
    }
}

/// Renders a message with short links, if its playbook counts links.
///
/// # Errors
/// When it cannot be rendered.
pub async fn with_short_links(
    short_links: &impl ShortLinks,
    playbook: &Playbook,
    message: &LocalizedMessage,
    order: &DeliveryOrder,
    data: &MessageData,
    found: &Found,
) -> Result<RenderedMessage, RenderError> {
    // A click in a test is nobody's.
    let settings = playbook.links.as_ref().filter(|_| order.purpose != Consented::Test);
    let Some(settings) = settings else { return render_with(message, order.channel, data, found) };
    let base = settings.domain.as_deref().unwrap_or(short_links.own_address());
    let meaning = Meaning { playbook, settings, data, found, base };
    let seen = Seen { meaning: &meaning, targets: RefCell::default(), shows_pixel: Cell::new(false) };
    let plain = render_linked(message, order.channel, data, found, &seen)?;
    let targets = seen.targets.into_inner();
    let counts_opens = settings.opens && seen.shows_pixel.get();
    if targets.is_empty() && !counts_opens {
        return Ok(plain);
    }
    let links = MessageLinks::new(order, settings, targets);
    let left = |why: &dyn std::error::Error| {
        telemetry::count("links_left", 1);
        let (delivery, play) = (order.delivery.to_string(), &order.play);
        tracing::error!(delivery, play, %why, "a message is sent with links that nobody counts");
    };
    let short = match short_links.short(&links, settings.domain.as_deref()).await {
        Ok(short) => short,
        Err(why) => {
            left(&why);
            return Ok(plain);
        }
    };
    let counted = Counted { meaning: &meaning, short: &short, counts_opens };
    render_linked(message, order.channel, data, found, &counted).or_else(|why| {
        left(&why);
        Ok(plain)
    })
}

/// What links mean in one message.
struct Meaning<'m> {
    playbook: &'m Playbook,
    settings: &'m LinkSettings,
    data: &'m MessageData,
    found: &'m Found,
    /// What our own links begin with: they are never counted twice.
    base: &'m str,
}

impl Meaning<'_> {
    fn target(&self, link: &Link) -> Option<Target> {
        match link {
            Link::Page(page) => {
                let is_own = page.strip_prefix(self.base).is_some_and(|rest| rest.starts_with('/'));
                let is_consent = self.found.consent.as_ref().is_some_and(|urls| urls.has(page));
                (!is_own && !is_consent && self.settings.counts(page)).then(|| Target::page(page))
            }
            Link::Named(name) => {
                let destination = self.settings.destinations.get(name)?;
                let page = |wanted: &Option<PageOrPlace>| match wanted.as_ref()? {
                    PageOrPlace::Page(page) => Some(page.clone()),
                    PageOrPlace::Nearest(meant) => nearest_with_page(self.playbook, self.data, meant)?.url.clone(),
                };
                Some(Target {
                    page: destination.desktop.clone(),
                    name: Some(name.clone()),
                    tablet: page(&destination.tablet),
                    phone: page(&destination.phone),
                    ios_app: destination.ios_app.clone(),
                    android_app: destination.android_app.clone(),
                })
            }
        }
    }
}

/// Notes what is counted, and leaves every link as it stands.
struct Seen<'m> {
    meaning: &'m Meaning<'m>,
    targets: RefCell<Vec<Target>>,
    shows_pixel: Cell<bool>,
}

impl Links for Seen<'_> {
    fn page(&self, destination: &str) -> Option<String> {
        self.meaning.found.page(destination)
    }

    fn instead(&self, link: &Link) -> Option<String> {
        let target = self.meaning.target(link)?;
        let mut targets = self.targets.borrow_mut();
        if !targets.contains(&target) {
            targets.push(target);
        }
        None
    }

    fn pixel(&self) -> Option<String> {
        self.shows_pixel.set(true);
        None
    }
}

/// Writes short links.
struct Counted<'m> {
    meaning: &'m Meaning<'m>,
    short: &'m Short,
    counts_opens: bool,
}

impl Links for Counted<'_> {
    fn page(&self, destination: &str) -> Option<String> {
        self.meaning.found.page(destination)
    }

    fn instead(&self, link: &Link) -> Option<String> {
        self.short.link(&self.meaning.target(link)?)
    }

    fn pixel(&self) -> Option<String> {
        self.short.pixel().filter(|_| self.counts_opens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use kairos_engine::identifiers::{DeliveryId, UserKey};
    use kairos_engine::place::Position;
    use kairos_engine::playbook::{Channel, PlaybookVersion};
    use kairos_engine::product::Product;
    use kairos_engine::time::{Span, Timestamp};
    use kairos_messages::ConsentUrls;
    use kairos_protocol::links::LinksId;
    use serde_json::json;

    const BASE: &str = "https://go.example";

    /// Keeps everything, or nothing.
    struct Shelf {
        is_down: bool,
        base: &'static str,
    }

    fn key() -> LinkKey {
        LinkKey::parse("a secret of more than thirty-two letters").unwrap()
    }

    impl ShortLinks for Shelf {
        async fn short(&self, links: &MessageLinks, domain: Option<&str>) -> Result<Short, NotShort> {
            match self.is_down {
                true => Err(Fault::Retryable { what: "LinksTable PutItem", why: "later".into() }.into()),
                false => Ok(Short::new(links.clone(), domain.unwrap_or(self.base), key())),
            }
        }

        fn own_address(&self) -> &str {
            self.base
        }
    }

    fn playbook(counts: bool) -> Playbook {
        let links = json!({
            "hosts": ["shop.example"], "expires_after": 86_400_000, "opens": true,
            "destinations": {"showroom": {
                "desktop": "https://shop.example/rooms", "phone": {"nearest": "any"},
                "ios_app": {"deep_link": "shop://rooms", "store": "https://apps.apple.com/app/id1"},
            }},
        });
        serde_json::from_value(json!({
            "version": "v1", "sources": [], "plays": [], "channels": {},
            "places": [{"name": "old_town", "title": "Old Town", "latitude": 52.51, "longitude": 13.4, "radius_m": 100,
                "url": "https://shop.example/old-town"}],
            "messages": {"reminder": {"default_locale": "en", "locales": {"en": {
                "sms": {"text": "Cart: {{ product.url }}, again {{ product.url }}; room {{ 'showroom' | link }}"},
                "email": {
                    "subject": "See {{ 'showroom' | link }}",
                    "text": "{{ 'https://shop.example/imprint' | untracked }} https://other.example/a https://go.example/u/x",
                    "html": "<body><a href=\"{{ product.url }}\">x</a><a href=\"https://go.example/u/x\">y</a></body>",
                },
                "webhook": {"text": "no link"},
                "telegram": {"text": "<a href=\"{{ product.url }}\">x</a>", "picture": "https://shop.example/a.jpg",
                    "button": {"text": "Go", "link": "{{ 'showroom' | link }}"}},
            }}}},
            "links": counts.then_some(links),
        }))
        .unwrap()
    }

    fn order(channel: Channel) -> DeliveryOrder {
        let user = UserKey::known("ann");
        let at = Timestamp::from_millis(1_763_726_400_000);
        let product = Product {
            id: "mug".into(),
            quantity: 1,
            url: Some("https://shop.example/mug?a=1&b=2".into()),
            ..Product::default()
        };
        DeliveryOrder {
            delivery: DeliveryId::of_decision(user, 1),
            user,
            play: "abandoned_cart".into(),
            message: "reminder".into(),
            playbook: PlaybookVersion("v1".into()),
            channel,
            purpose: Consented::Marketing,
            address: "a".into(),
            locale: None,
            due_at: at,
            decided_at: at,
            expires_at: at.plus(Span::from_hours(1)),
            why: String::new(),
            correlation: None,
            who: None,
            data: MessageData { product: Some(product), position: Position::new(52.5, 13.4), ..MessageData::default() },
        }
    }

    fn rendered(shelf: &Shelf, counts: bool, channel: Channel) -> RenderedMessage {
        let (playbook, order) = (playbook(counts), order(channel));
        let message = playbook.messages["reminder"].localized(None).unwrap();
        let destinations = playbook.links.as_ref().map(LinkSettings::pages).unwrap_or_default();
        let found = Found { destinations, ..Found::default() };
        let rendered = with_short_links(shelf, &playbook, message, &order, &order.data, &found);
        rendered.now_or_never().expect("nothing here waits").unwrap()
    }

    fn up() -> Shelf {
        Shelf { is_down: false, base: BASE }
    }

    fn number_in(link: &str) -> u8 {
        let token = link.strip_prefix("https://go.example/c/").unwrap_or_else(|| panic!("{link}"));
        let (id, number) = LinksId::read(&key().open(Purpose::Click, token).unwrap()).unwrap();
        assert_eq!(id, LinksId::of(order(Channel::Sms).delivery));
        number
    }

    fn sms(shelf: &Shelf, counts: bool) -> String {
        let RenderedMessage::Sms { text, .. } = rendered(shelf, counts, Channel::Sms) else { panic!("no SMS") };
        text
    }

    #[test]
    fn an_sms_has_short_links_and_the_same_ones_each_time() {
        let text = sms(&up(), true);
        assert_eq!(text, sms(&up(), true));
        let (first, rest) = text.strip_prefix("Cart: ").unwrap().split_once(", again ").unwrap();
        let (second, room) = rest.split_once("; room ").unwrap();
        assert_eq!((first, number_in(first), number_in(room)), (second, 0, 1));
        // The first link of a message is as short as can be; further ones need two characters more.
        assert_eq!((first.len(), room.len()), (BASE.len() + 3 + 24, BASE.len() + 3 + 26));
    }

    #[test]
    fn an_email_counts_its_anchors_and_its_opening_and_nothing_else() {
        let RenderedMessage::Email { subject, text, html } = rendered(&up(), true, Channel::Email) else { panic!() };
        assert_eq!(subject, "See https://shop.example/rooms");
        assert_eq!(text, "https://shop.example/imprint https://other.example/a https://go.example/u/x");
        let html = html.unwrap();
        let (anchors, pixel) = html.split_once("<img").unwrap();
        let link = anchors.strip_prefix("<body><a href=\"").unwrap().split('"').next().unwrap();
        assert_eq!(number_in(link), 0);
        assert!(anchors.ends_with("<a href=\"https://go.example/u/x\">y</a>"), "{anchors}");
        let token = pixel.strip_prefix(" src=\"https://go.example/o/").unwrap().split('"').next().unwrap();
        assert_eq!(key().open(Purpose::Open, token).unwrap().len(), 7);
        assert!(html.ends_with("></body>"), "{html}");
    }

    #[test]
    fn a_chat_counts_its_links_and_its_button_but_not_its_picture() {
        let RenderedMessage::Telegram { text, picture, button } = rendered(&up(), true, Channel::Telegram) else {
            panic!()
        };
        assert!(text.starts_with("<a href=\"https://go.example/c/"), "{text}");
        assert_eq!(picture.as_deref(), Some("https://shop.example/a.jpg"));
        assert_eq!(number_in(&button.unwrap().link), 1);
    }

    #[test]
    fn links_to_unsubscribe_are_not_counted_even_on_a_site_whose_links_are() {
        let mut playbook = playbook(true);
        let message = playbook.messages.get_mut("reminder").unwrap().locales.get_mut("en").unwrap();
        message.sms.as_mut().unwrap().text =
            "{{ unsubscribe_url }} {{ preferences_url }}. {{ confirm_url }} {{ product.url }}".into();
        let email = message.email.as_mut().unwrap();
        email.text = "{{ unsubscribe_url }}".into();
        email.html = Some("<a href=\"{{ unsubscribe_url }}\">a</a> <a href='{{ preferences_url }}'>b</a>".into());
        let url = |path: &str| format!("https://shop.example/{path}/token");
        let consent = Some(ConsentUrls { unsubscribe: url("u"), preferences: url("p"), confirm: url("c") });
        let found = Found { consent, ..Found::default() };
        let rendered = |channel| {
            let order = order(channel);
            let message = playbook.messages["reminder"].localized(None).unwrap();
            let shelf = up();
            let rendered = with_short_links(&shelf, &playbook, message, &order, &order.data, &found);
            rendered.now_or_never().expect("nothing here waits").unwrap()
        };
        let RenderedMessage::Sms { text, .. } = rendered(Channel::Sms) else { panic!("no SMS") };
        let own = "https://shop.example/u/token https://shop.example/p/token. https://shop.example/c/token ";
        assert_eq!(number_in(text.strip_prefix(own).unwrap_or_else(|| panic!("{text}"))), 0);
        let RenderedMessage::Email { text, html, .. } = rendered(Channel::Email) else { panic!("no email") };
        assert_eq!(text, url("u"));
        let html = html.unwrap();
        let anchors =
            "<a href=\"https://shop.example/u/token\">a</a> <a href='https://shop.example/p/token'>b</a><img ";
        assert!(html.starts_with(anchors), "{html}");
    }

    #[test]
    fn links_stand_as_they_are_when_nobody_counts_or_can() {
        let plain = "Cart: https://shop.example/mug?a=1&b=2, again https://shop.example/mug?a=1&b=2; room https://shop.example/rooms";
        assert_eq!(sms(&Shelf { is_down: true, base: BASE }, true), plain);
        // The destination is only known where links are.
        assert_eq!(sms(&up(), false), plain.replace("https://shop.example/rooms", ""));
        let RenderedMessage::Webhook { text, .. } =
            rendered(&Shelf { is_down: true, base: BASE }, true, Channel::Webhook)
        else {
            panic!()
        };
        assert_eq!(text, "no link", "and nobody was asked");
    }

    #[test]
    fn a_message_that_would_become_too_long_keeps_its_links() {
        let long: &'static str = Box::leak(format!("https://{}.example", "x".repeat(2_000)).into_boxed_str());
        let text = sms(&Shelf { is_down: false, base: long }, true);
        assert!(text.starts_with("Cart: https://shop.example/mug"), "{text}");
    }
}
