//! The playbook's templates, filled in: always those of the playbook that decided the message, though a
//! newer one may be in force by now.
//!
//! | code | when | class |
//! |---|---|---|
//! | `playbook_unavailable` | the playbook's version could not be read now | retryable |
//! | `playbook_unreadable` | that version is not in the table, or damaged | configuration |
//! | `message_unknown`, `channel_not_set_up` | the playbook does not have it | configuration |
//! | `catalogue_unavailable` | a template shows what only the catalogue knows, and it could not be read now | retryable |
//! | `no_products` | the message needs products, and none of its lists has any | permanent_message |
//! | `no_test_on_site` | tests are not put into anybody's inbox | permanent_message |
//! | `render` | the templates and the data do not go together | permanent_message |
//! | `promo_…` | see [`crate::promo_codes`] | |
//! | `secret`, `link_key` | the key that signs webhooks, the secret of a header, or the key of links could not be read | configuration |
//! | `header_invalid` | a webhook has a header that cannot be set | configuration |
//! | `left_alone` | the webhook is out of order: put off | retryable |
//!
//! Links are [kept](crate::links) and replaced by short ones; when that fails, they stand as they are.
//!
//! The key, and the tokens of [messengers](crate::messengers), are asked for here and not when the message is sent,
//! because nothing that can take time may stand between a claim and its call; the sending then finds them known.

use std::collections::BTreeMap;
use std::sync::Arc;

use kairos_cloud::clock::SystemClock;
use kairos_cloud::playbooks::PlaybookStore;
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::{Channel, LinkSettings, LocalizedMessage, Message, Playbook, Purpose};
use kairos_messages::{Found, Locale, RenderedMessage};
use kairos_protocol::delivery::{Answer, AnswerClass, Composer, Content};
use kairos_protocol::port::{Clock, Fault};

use crate::consent_links::{ConsentLinks, has_header, needs_links};
use crate::enrichment::{Listings, Needs, completed, related, store};
use crate::links::{ShortLinks, with_short_links};
use crate::messengers::Messengers;
use crate::mobile_push::Pushes;
use crate::promo_codes::{Codes, code_of};
use crate::providers::Breakers;
use crate::tokens::Tokens;
use crate::web_push::Notifies;
use crate::webhook::{SigningKeys, headers};

/// Composes from published playbooks.
#[derive(Debug)]
pub struct PlaybookComposer<L, P, C, S, K, T, W, A> {
    playbooks: PlaybookStore,
    listings: L,
    codes: P,
    consent: C,
    links: S,
    keys: K,
    messengers: Arc<Messengers<T>>,
    web_push: Arc<W>,
    mobile_push: Arc<A>,
    breakers: Arc<Breakers>,
}

impl<L, P, C, S, K, T, W, A> PlaybookComposer<L, P, C, S, K, T, W, A> {
    /// Composes from this store, this catalogue, these promo codes, these links for consent and these short ones; `keys`
    /// are those that webhooks will be signed with, `messengers` those that must be ready for what is composed, and the other
    /// two know browsers and devices of users. `breakers` say which webhooks are to be left alone: which one a message goes to,
    /// its order does not say.
    #[expect(clippy::too_many_arguments, reason = "one for each thing that is asked, all of different kinds")]
    pub fn new(
        playbooks: PlaybookStore,
        listings: L,
        codes: P,
        consent: C,
        links: S,
        keys: K,
        (messengers, web_push, mobile_push): (Arc<Messengers<T>>, Arc<W>, Arc<A>),
        breakers: Arc<Breakers>,
    ) -> Self {
        Self { playbooks, listings, codes, consent, links, keys, messengers, web_push, mobile_push, breakers }
    }
}

impl<L, P, C, S, K, T, W, A> Composer for PlaybookComposer<L, P, C, S, K, T, W, A>
where
    L: Listings,
    P: Codes,
    C: ConsentLinks,
    S: ShortLinks,
    K: SigningKeys,
    T: Tokens,
    W: Notifies,
    A: Pushes,
{
    async fn compose(&self, order: &DeliveryOrder) -> Result<Content, Answer> {
        self.messengers.ready(order.channel, &SystemClock).await?;
        match self.playbooks.with_message(&order.playbook, &order.message).await {
            Ok(playbook) => {
                let (consent, links) = (&self.consent, &self.links);
                let mut content = compose_from(&playbook, &self.listings, &self.codes, consent, links, order).await?;
                match &mut content {
                    Content::Webhook { name, receiver, .. } => {
                        self.keys.current(SystemClock.now()).await.map_err(|fault| no_key(&fault))?;
                        headers::of(receiver, &self.keys, SystemClock.now()).await?;
                        // Last, as who may try has the receiver for itself.
                        if let Some(wait) = self.breakers.webhook(name).wait(SystemClock.now()) {
                            let answer = Answer::new(AnswerClass::Retryable, "left_alone");
                            return Err(answer.with_retry_after(Some(wait)));
                        }
                    }
                    Content::WebPush { browsers, .. } => {
                        *browsers = self.web_push.browsers(order, SystemClock.now()).await?;
                    }
                    Content::MobilePush { devices, .. } => *devices = self.mobile_push.devices(order).await?,
                    _ => {}
                }
                Ok(content)
            }
            Err(fault @ Fault::Retryable { .. }) => {
                Err(Answer::new(AnswerClass::Retryable, "playbook_unavailable").with_detail(&fault.to_string()))
            }
            Err(fault @ Fault::Permanent { .. }) => {
                Err(Answer::new(AnswerClass::Configuration, "playbook_unreadable").with_detail(&fault.to_string()))
            }
        }
    }
}

/// The answer when there is no key to sign a webhook with.
pub fn no_key(fault: &Fault) -> Answer {
    Answer::new(AnswerClass::Configuration, "secret").with_detail(&fault.to_string())
}

/// The content of an order, by this playbook and this catalogue, with a code and links of these. Which browsers or
/// devices a notification goes to is not asked here.
///
/// # Errors
/// The answer that is recorded when there is none (see the module).
pub async fn compose_from(
    playbook: &Playbook,
    listings: &impl Listings,
    codes: &impl Codes,
    consent: &impl ConsentLinks,
    links: &impl ShortLinks,
    order: &DeliveryOrder,
) -> Result<Content, Answer> {
    let (whole, language, message) = message_of(playbook, order)?;
    if (order.purpose, order.channel) == (Purpose::Test, Channel::OnSite) {
        // It would wait in the inbox of a user.
        return Err(Answer::new(AnswerClass::PermanentMessage, "no_test_on_site"));
    }
    let needs = Needs::of(message, order.channel, &order.data);
    let unavailable =
        |fault: Fault| Answer::new(AnswerClass::Retryable, "catalogue_unavailable").with_detail(&fault.to_string());
    let asked = needs.products(&order.data);
    let known =
        if asked.is_empty() { BTreeMap::new() } else { listings.listings(&asked).await.map_err(unavailable)? };
    let listing = order.data.product.as_ref().and_then(|product| known.get(product.id.as_str()));
    let store = if needs.store { store(playbook, &order.data, listing) } else { None };
    let data = completed(&order.data, &known);
    let related = match needs.related {
        true => related(listings, &data, &known).await.map_err(unavailable)?,
        false => Vec::new(),
    };
    if whole.needs_products && needs.are_empty(&data, &related) {
        return Err(Answer::new(AnswerClass::PermanentMessage, "no_products"));
    }
    let promo_code = code_of(codes, playbook, whole, order).await?;
    let consent = if needs_links(message, order) { Some(consent.urls(order).await?) } else { None };
    let destinations = playbook.links.as_ref().map(LinkSettings::pages).unwrap_or_default();
    let locale = locale(playbook, language, order);
    let found = Found { store, promo_code, consent, destinations, locale, related };
    let rendered = with_short_links(links, playbook, message, order, &data, &found).await;
    let mut rendered = rendered
        .map_err(|error| Answer::new(AnswerClass::PermanentMessage, "render").with_detail(&error.to_string()))?;
    if let (Purpose::Test, RenderedMessage::Email { subject, .. }) = (order.purpose, &mut rendered) {
        subject.insert_str(0, TEST_PREFIX);
    }
    addressed(playbook, language, order, &found, rendered)
}

/// What the subject of a test begins with, so that nobody takes it for what a user got.
pub const TEST_PREFIX: &str = "[Test] ";

/// For whom a message in this language is written.
fn locale(playbook: &Playbook, language: &str, order: &DeliveryOrder) -> Locale {
    Locale {
        language: language.to_owned(),
        reader: order.locale.clone(),
        time_zone: order.data.time_zone.clone().unwrap_or_else(|| playbook.policy.time_zone.clone()),
        // However often it is tried, it says the same.
        now: Some(order.decided_at),
    }
}

fn message_of<'p>(
    playbook: &'p Playbook,
    order: &DeliveryOrder,
) -> Result<(&'p Message, &'p str, &'p LocalizedMessage), Answer> {
    let unknown = || {
        Answer::new(AnswerClass::Configuration, "message_unknown")
            .with_detail(&format!("the playbook has no message `{}`", order.message))
    };
    let message = playbook.messages.get(&order.message).ok_or_else(unknown)?;
    let (language, templates) = message.language_for(order.locale.as_deref()).ok_or_else(unknown)?;
    Ok((message, language, templates))
}

/// What was rendered in this language, with the sender that the playbook names.
fn addressed(
    playbook: &Playbook,
    language: &str,
    order: &DeliveryOrder,
    found: &Found,
    rendered: RenderedMessage,
) -> Result<Content, Answer> {
    let not_set_up = || {
        Answer::new(AnswerClass::Configuration, "channel_not_set_up")
            .with_detail(&format!("add {} to the playbook's channels", order.channel))
    };
    let channels = &playbook.channels;
    Ok(match rendered {
        RenderedMessage::Email { subject, text, html } => {
            let unsubscribe = found.consent.as_ref().filter(|_| has_header(order));
            let unsubscribe = unsubscribe.map(|urls| urls.unsubscribe.clone());
            Content::Email { sender: channels.email.clone().ok_or_else(not_set_up)?, subject, text, html, unsubscribe }
        }
        RenderedMessage::Sms { text, .. } => {
            Content::Sms { sender: channels.sms.clone().ok_or_else(not_set_up)?, text }
        }
        RenderedMessage::Webhook { to, text, body } => {
            let (name, receiver) = channels.webhook(to.as_deref()).ok_or_else(|| {
                let webhook = to.unwrap_or_else(|| "the only one".to_owned());
                not_set_up().with_detail(&format!("add the webhook ({webhook}) to the playbook's channels"))
            })?;
            Content::Webhook { name: name.to_owned(), receiver: receiver.clone(), text, body }
        }
        RenderedMessage::Telegram { text, picture, button } => {
            Content::Telegram { sender: channels.telegram.clone().ok_or_else(not_set_up)?, text, picture, button }
        }
        RenderedMessage::Viber { text, picture, button } => {
            Content::Viber { sender: channels.viber.clone().ok_or_else(not_set_up)?, text, picture, button }
        }
        RenderedMessage::Whatsapp { template, language, parameters, picture } => {
            let sender = channels.whatsapp.clone().ok_or_else(not_set_up)?;
            Content::Whatsapp { sender, template, language, parameters, picture }
        }
        RenderedMessage::OnSite(message) => {
            channels.on_site.as_ref().ok_or_else(not_set_up)?;
            let priority = playbook.play(&order.play).map_or(0, |play| play.priority);
            Content::OnSite { message: Box::new(message), language: language.to_owned(), priority }
        }
        RenderedMessage::WebPush(message) => {
            let sender = channels.web_push.clone().ok_or_else(not_set_up)?;
            let (message, language) = (Box::new(message), language.to_owned());
            Content::WebPush { sender, message, language, browsers: Vec::new() }
        }
        RenderedMessage::MobilePush(message) => {
            let sender = channels.mobile_push.clone().ok_or_else(not_set_up)?;
            Content::MobilePush { sender, message: Box::new(message), devices: Vec::new() }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use kairos_engine::place::Position;
    use kairos_engine::playbook::{Promotion, TraitValue};
    use kairos_engine::product::Product;
    use kairos_messages::{ConsentUrls, PromoCode};
    use kairos_protocol::catalogue::{Listing, Stock};
    use kairos_protocol::links::MessageLinks;

    use crate::links::{NotShort, Short};

    /// A playbook with one message in English and French, and some channels.
    fn playbook() -> Playbook {
        serde_json::from_value(serde_json::json!({
            "version": "v1", "sources": [], "plays": [],
            "channels": { "email": { "from": "Shop <hello@shop.example>" }, "sms": {}, "telegram": {}, "on_site": { "verify_identity": true } },
            "places": [{ "name": "old_town", "title": "Old Town", "latitude": 52.51, "longitude": 13.4, "radius_m": 100 }],
            "promotions": { "SPRING": { "title": "Spring", "discount": { "percent": 1000 }, "expires_after": 86400000 } },
            "messages": { "present": { "promotion": "SPRING", "default_locale": "en", "locales": { "en": { "sms": {
                "text": "{{ promo_code.percent }} % with {{ promo_code.code }}",
            } } } }, "links": { "default_locale": "en", "locales": { "en": {
                "email": { "subject": "Hi", "text": "{{ unsubscribe_url }} {{ preferences_url }} {{ confirm_url }}" },
                "telegram": { "text": "{{ unsubscribe_url }} {{ preferences_url }} {{ confirm_url }}" },
            } } }, "past": { "promotion": "WINTER", "default_locale": "en", "locales": { "en": { "sms": {
                "text": "{{ promo_code.code }}",
            } } } }, "again": { "needs_products": true, "default_locale": "en", "locales": { "en": { "sms": {
                "text": "{{ viewed.first.name }}",
            } } } }, "when": { "default_locale": "en", "locales": { "de": { "sms": {
                "text": "{{ event.at | date: 'weekday' }}, {{ event.at | date: 'time' }}",
            } }, "en": { "sms": { "text": "{{ event.at | date: 'weekday' }}, {{ event.at | date: 'time' }}" } } } }, "nearest": { "default_locale": "en", "locales": { "en": { "sms": {
                "text": "{{ product.name }}: {{ store.title }}, {{ store.distance_m | distance }}",
            } } } }, "chat": { "default_locale": "en", "locales": { "en": {
                "telegram": { "text": "<b>{{ user.first_name }}</b>", "picture": "{{ product.image_url }}" },
                "whatsapp": { "template": "x", "language": "en" },
            } } }, "page": { "default_locale": "en", "locales": {
                "en": { "on_site": { "kind": "banner", "text": "Hello" } },
                "de": { "on_site": { "kind": "banner", "text": "Hallo {{ user.first_name }}" } },
            } }, "reminder": { "default_locale": "en", "locales": {
                "en": {
                    "email": { "subject": "{{ user.first_name | default: 'Hello' }}, still there",
                        "text": "{% for item in cart.items %}{{ item.name }}{% endfor %}" },
                    "sms": { "text": "" },
                    "webhook": { "text": "hello" },
                },
                "fr": { "email": { "subject": "Votre panier", "text": "Toujours là" } },
            } } },
        }))
        .unwrap()
    }

    fn order(change: impl FnOnce(&mut DeliveryOrder)) -> DeliveryOrder {
        let mut order = crate::function::incoming(
            &serde_json::from_str::<aws_lambda_events::event::sqs::SqsEvent>(include_str!("../events/email.json"))
                .unwrap()
                .records[0],
        )
        .message
        .unwrap()
        .order()
        .clone();
        order.message = "reminder".into();
        order.locale = None;
        change(&mut order);
        order
    }

    /// A catalogue with a mug, or one that cannot be read.
    struct Catalogue {
        is_down: bool,
    }

    impl Listings for Catalogue {
        async fn listings(&self, products: &[String]) -> Result<BTreeMap<String, Listing>, Fault> {
            if self.is_down {
                return Err(Fault::Permanent { what: "CatalogueTable BatchGetItem", why: "AccessDenied".into() });
            }
            let listing = |id: &String| {
                let product =
                    Product { id: id.as_str().into(), name: Some("Mug".into()), quantity: 1, ..Product::default() };
                let stock = Some(Stock::Places([("old_town".to_owned(), 1)].into()));
                (id.clone(), Listing { product, stock })
            };
            Ok(products.iter().map(listing).collect())
        }

        async fn newest_of(&self, _: &str, _: usize) -> Result<Vec<String>, Fault> {
            Ok(Vec::new())
        }
    }

    /// One code for everybody, or none that can be given.
    impl Codes for Catalogue {
        async fn code(&self, order: &DeliveryOrder, name: &str, promotion: &Promotion) -> Result<PromoCode, Answer> {
            if self.is_down {
                return Err(Answer::new(AnswerClass::Configuration, "promo_codes_exhausted"));
            }
            Ok(PromoCode {
                code: format!("{name}-H7KM"),
                title: promotion.title.clone(),
                discount: promotion.discount.clone(),
                minimum_total: None,
                maximum_discount: None,
                expires_at: order.expires_at,
            })
        }
    }

    /// Links that tell what they are.
    impl ConsentLinks for Catalogue {
        async fn urls(&self, order: &DeliveryOrder) -> Result<ConsentUrls, Answer> {
            let url = |path: &str| format!("https://p.example/{path}/{}", order.delivery);
            Ok(ConsentUrls { unsubscribe: url("u"), preferences: url("p"), confirm: url("c") })
        }
    }

    impl ShortLinks for Catalogue {
        async fn short(&self, _: &MessageLinks, _: Option<&str>) -> Result<Short, NotShort> {
            unreachable!("this playbook counts no links")
        }

        fn own_address(&self) -> &str {
            "https://go.example"
        }
    }

    fn compose_with(is_down: bool, order: &DeliveryOrder) -> Result<Content, Answer> {
        let world = Catalogue { is_down };
        compose_from(&playbook(), &world, &world, &world, &world, order).now_or_never().expect("nothing here waits")
    }

    fn compose(order: &DeliveryOrder) -> Result<Content, Answer> {
        compose_with(true, order)
    }

    #[test]
    fn a_message_shows_the_product_and_the_nearest_place_that_has_it() {
        let order = order(|order| {
            order.channel = Channel::Sms;
            order.message = "nearest".into();
            order.data.product = Some(Product { id: "mug".into(), quantity: 1, ..Product::default() });
            order.data.position = Position::new(52.5, 13.4);
        });
        let Ok(Content::Sms { text, .. }) = compose_with(false, &order) else { panic!("no SMS") };
        assert_eq!(text, "Mug: Old Town, 1.1 km");
        let answer = compose_with(true, &order).unwrap_err();
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Retryable, "catalogue_unavailable"));
    }

    #[test]
    fn a_message_that_needs_products_is_not_sent_without_any() {
        let order = order(|order| {
            order.channel = Channel::Sms;
            order.message = "again".into();
        });
        let answer = compose(&order).unwrap_err();
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::PermanentMessage, "no_products"));
        let mut seen = order.clone();
        seen.data.viewed = vec![Product { id: "mug".into(), quantity: 1, ..Product::default() }];
        let Ok(Content::Sms { text, .. }) = compose_with(false, &seen) else { panic!("no SMS") };
        assert_eq!(text, "Mug");
    }

    #[test]
    fn a_test_says_that_it_is_one_and_takes_no_code() {
        let test = |message: &str, channel| {
            order(|order| {
                order.channel = channel;
                order.message = message.into();
                order.purpose = Purpose::Test;
            })
        };
        let Ok(Content::Email { subject, unsubscribe, .. }) = compose(&test("reminder", Channel::Email)) else {
            panic!("no email")
        };
        assert!(subject.starts_with("[Test] "), "{subject}");
        assert_eq!(unsubscribe, None);
        // Codes cannot be given here, and are not asked for.
        let Ok(Content::Sms { text, .. }) = compose(&test("present", Channel::Sms)) else { panic!("no SMS") };
        assert!(text.starts_with("10 % with "), "{text}");
        let answer = compose(&test("page", Channel::OnSite)).unwrap_err();
        assert_eq!(answer.code.as_str(), "no_test_on_site");
    }

    #[test]
    fn times_are_the_users_own_or_the_policys() {
        for (time_zone, locale, expected) in [
            (Some("Asia/Tokyo"), "en-US", "Friday, December 25, 3:30 AM"),
            (None, "de", "Donnerstag, 24. Dezember, 18:30"),
            (Some("Atlantis"), "fr", "Thursday, December 24, 6:30 PM"),
        ] {
            let order = order(|order| {
                order.channel = Channel::Sms;
                order.message = "when".into();
                order.locale = Some(locale.into());
                order.data.event = [("at".into(), TraitValue::Text("2026-12-24T18:30:00Z".into()))].into();
                order.data.time_zone = time_zone.map(str::to_owned);
            });
            let Ok(Content::Sms { text, .. }) = compose(&order) else { panic!("no SMS") };
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_message_with_a_promotion_shows_its_code_or_is_not_sent() {
        let order = order(|order| {
            order.channel = Channel::Sms;
            order.message = "present".into();
        });
        let Ok(Content::Sms { text, .. }) = compose_with(false, &order) else { panic!("no SMS") };
        assert_eq!(text, "10 % with SPRING-H7KM");
        let answer = compose_with(true, &order).unwrap_err();
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Configuration, "promo_codes_exhausted"));
        let unknown = DeliveryOrder { message: "past".into(), ..order };
        let answer = compose_with(false, &unknown).unwrap_err();
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Configuration, "promotion_unknown"));
    }

    #[test]
    fn a_chat_is_composed_for_messengers_that_are_set_up() {
        let chat = |channel| {
            order(|order| {
                order.channel = channel;
                order.message = "chat".into();
                order.data.user.first_name = Some("<Ada>".into());
            })
        };
        let Ok(Content::Telegram { text, picture, button, .. }) = compose(&chat(Channel::Telegram)) else {
            panic!("no chat")
        };
        assert_eq!((text.as_str(), picture, button), ("<b>&lt;Ada&gt;</b>", None, None));
        let answer = compose(&chat(Channel::Whatsapp)).unwrap_err();
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Configuration, "channel_not_set_up"));
    }

    #[test]
    fn a_message_for_a_page_is_composed_with_its_language_and_its_plays_priority() {
        let order = order(|order| {
            order.channel = Channel::OnSite;
            order.message = "page".into();
            order.locale = Some("de-AT".into());
            order.data.user.first_name = Some("<b>Ada".into());
        });
        let Ok(Content::OnSite { message, language, priority }) = compose(&order) else { panic!("no message") };
        assert_eq!((message.text.as_str(), language.as_str(), priority), ("Hallo <b>Ada", "de", 0));
    }

    #[test]
    fn an_order_becomes_content_in_the_users_language() {
        let composed = |locale: Option<&str>| {
            let order = order(|order| order.locale = locale.map(str::to_owned));
            let Ok(Content::Email { sender, subject, text, html: None, .. }) = compose(&order) else {
                panic!("no email for {locale:?}")
            };
            assert_eq!(sender.from, "Shop <hello@shop.example>");
            (subject, text)
        };
        assert_eq!(composed(None), ("Ada, still there".into(), "Blue Mug".into()));
        assert_eq!(composed(Some("fr-CA")), ("Votre panier".into(), "Toujours là".into()));
    }

    #[test]
    fn only_marketing_by_email_says_in_its_header_how_to_unsubscribe() {
        for (purpose, channel, has_header) in [
            (Purpose::Marketing, Channel::Email, true),
            (Purpose::Transactional, Channel::Email, false),
            (Purpose::Marketing, Channel::Telegram, false),
        ] {
            let order = order(|order| {
                (order.purpose, order.channel) = (purpose, channel);
                order.message = "links".into();
            });
            let shown = format!("p.example/u/{0} p.example/p/{0} p.example/c/{0}", order.delivery);
            match compose(&order) {
                Ok(Content::Email { unsubscribe, text, .. }) => {
                    assert_eq!(unsubscribe.is_some(), has_header, "{purpose:?}");
                    assert_eq!(text.replace("https://", ""), shown);
                }
                Ok(Content::Telegram { text, .. }) => assert_eq!(text.replace("https://", ""), shown),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_cannot_be_composed_says_why() {
        let code = |order: &DeliveryOrder| {
            let answer = compose(order).unwrap_err();
            (answer.class, answer.code)
        };
        let unknown = order(|order| order.message = "gone".into());
        assert_eq!(code(&unknown), (AnswerClass::Configuration, "message_unknown".into()));
        let webhook = order(|order| order.channel = Channel::Webhook);
        assert_eq!(code(&webhook), (AnswerClass::Configuration, "channel_not_set_up".into()));
        let empty_sms = order(|order| order.channel = Channel::Sms);
        assert_eq!(code(&empty_sms), (AnswerClass::PermanentMessage, "render".into()));
        let no_template = order(|order| {
            order.channel = Channel::Sms;
            order.locale = Some("fr".into());
        });
        assert_eq!(code(&no_template), (AnswerClass::PermanentMessage, "render".into()));
    }
}
