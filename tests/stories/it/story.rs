//! Plays a story, and compares what it says came of it with what did.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kairos_delivery::enrichment::{Needs, completed, store};
use kairos_engine::identifiers::{DeliveryId, InputId, UserKey};
use kairos_engine::mailbox::{CatalogueChange, Input};
use kairos_engine::money::Micros;
use kairos_engine::outcome::{OutcomeRecord, PlayOutcome, Reason};
use kairos_engine::playbook::LinkSettings;
use kairos_engine::product::{Product, products_of};
use kairos_engine::time::{Span, Timestamp};
use kairos_messages::{Found, Locale, RenderedMessage, render_with};
use kairos_protocol::catalogue::{Listing, Stock};

use crate::clock;
use crate::stage::{SHIPPED, Stage, place};
use crate::words::{Article, Words};

/// A story under way.
#[derive(Default)]
pub(crate) struct Story {
    pub(crate) stage: Stage,
    words: Words,
    names: BTreeMap<UserKey, String>,
    /// What is where, when the story says so.
    stock: Vec<(String, &'static str)>,
    changes: u64,
    arrives: Arrives,
}

/// How what happens comes to the shop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Arrives {
    /// At once.
    #[default]
    Promptly,
    /// At once, and again, as when a client or a queue repeats itself.
    Twice,
    /// Some seconds later, while alarms ring in time.
    Late,
}

/// Plays a story about a play. However the events arrive, the same comes of them.
#[track_caller]
pub(crate) fn story(play: &str, table: &str) {
    assert!(SHIPPED.playbook().play(play).is_some(), "there is no play {play}");
    let lines = || table.lines().map(str::trim).filter(|line| !line.is_empty());
    let expected: Vec<&str> = lines().filter_map(|line| line.strip_prefix("=> ")).collect();
    for arrives in [Arrives::Promptly, Arrives::Twice, Arrives::Late] {
        let mut story = Story { arrives, ..Story::default() };
        lines().filter(|line| !line.starts_with("=>")).for_each(|line| story.line(line));
        let mut considered: Vec<_> = story.stage.considered.iter().collect();
        // Those to whom something happens at the same instant have no order of their own.
        considered.sort_by_key(|(user, record)| (record.at, &story.names[user]));
        let happened: Vec<String> =
            considered.into_iter().filter_map(|(user, record)| story.shown(play, *user, record)).collect();
        let (expected, happened) = (expected.join("\n"), happened.join("\n"));
        assert!(happened == expected, "{arrives:?}\nexpected:\n{expected}\n\nhappened:\n{happened}\n");
    }
}

impl Story {
    /// Lets one line of a table happen.
    pub(crate) fn line(&mut self, line: &str) {
        let (at, rest) = clock::read(line);
        let late = if self.arrives == Arrives::Late { Span::from_secs(20) } else { Span::from_secs(0) };
        self.stage.wait_until(at.plus(late));
        let (who, does) = rest.split_once(' ').unwrap_or((rest, ""));
        match who {
            "" | "that's" => {}
            "shop" => self.shop(does, at),
            _ => {
                let key = if who.starts_with("visitor") { UserKey::anonymous(who) } else { UserKey::known(who) };
                self.names.insert(key, who.to_owned());
                let position = |title: &str| (place(title).latitude, place(title).longitude);
                let inputs = self.words.inputs(who, does, (at, at.plus(late)), position);
                self.tell(inputs);
            }
        }
    }

    fn tell(&mut self, inputs: Vec<(UserKey, Input)>) {
        if self.arrives == Arrives::Twice {
            self.stage.tell(inputs.clone());
        }
        self.stage.tell(inputs);
    }

    fn shop(&mut self, does: &str, now: Timestamp) {
        let (verb, rest) = does.split_once(' ').unwrap();
        match verb {
            "lowers" => {
                let (name, price) = rest.split_once(" to ").unwrap();
                let before = self.words.article(name).price;
                let price: f64 = price.split(' ').next().unwrap().parse().unwrap();
                self.words.reprice(name.split(" (").next().unwrap(), price);
                self.change(name, CatalogueChange::Price { from: micros(before), to: micros(price) }, now);
            }
            "sells" => {
                let name = rest.strip_prefix("out of ").unwrap();
                self.change(name, CatalogueChange::Stock { from: 3, to: 0 }, now);
            }
            "has" => match rest.split_once(" at ") {
                Some((name, title)) => self.stock.push((self.words.article(name).id(), &place(title).name)),
                None => {
                    let (number, name) = rest.split_once(" of ").unwrap();
                    let (from, name) = match (name.strip_suffix(" again"), name.strip_suffix(" left")) {
                        (Some(name), _) => (0, name),
                        (None, Some(name)) => (20, name),
                        (None, None) => panic!("{does:?}: again, or left?"),
                    };
                    self.change(name, CatalogueChange::Stock { from, to: number.parse().unwrap() }, now);
                }
            },
            _ => panic!("{does:?} is not in the vocabulary"),
        }
    }

    /// The catalogue changes, and tells those who care.
    fn change(&mut self, name: &str, change: CatalogueChange, now: Timestamp) {
        self.changes += 1;
        let product = product(&self.words.article(name));
        let id = InputId::from_bytes(self.changes.to_be_bytes());
        let input =
            || Input::Catalogue { id, at: now, product: Box::new(product.clone()), changes: vec![change], hops: 0 };
        let told = self.stage.who_cares_about(&product.id).into_iter().map(|user| (user, input())).collect();
        self.tell(told);
    }

    /// What came of something, when it belongs into the story.
    fn shown(&self, play: &str, user: UserKey, record: &OutcomeRecord) -> Option<String> {
        let who = &self.names[&user];
        let what = match &record.outcome {
            PlayOutcome::Sent { delivery, .. } => self.message(*delivery),
            PlayOutcome::HeldOut { group, .. } => format!("held out ({group})"),
            _ if record.play != play => return None,
            PlayOutcome::Waiting { .. } | PlayOutcome::Finished | PlayOutcome::Assigned { .. } => return None,
            PlayOutcome::Held { until } => format!("held until {}", clock::write(*until)),
            PlayOutcome::Cancelled { .. } => "cancelled".to_owned(),
            PlayOutcome::Converted { after, value, .. } => {
                let worth = value.map_or(String::new(), |value| format!(", worth {value}"));
                format!("reached its goal {after} after the message{worth}")
            }
            PlayOutcome::NotSent { reason: Reason::Cooldown { until } } => {
                format!("not sent: too soon, again from {}", clock::write(*until))
            }
            PlayOutcome::NotSent { .. } => record.outcome.to_string(),
        };
        Some(format!("{} {who}: {} {what}", clock::write(record.at), record.play))
    }

    /// A message as it is sent.
    fn message(&self, delivery: DeliveryId) -> String {
        let order = &self.stage.orders[&delivery];
        let playbook = SHIPPED.playbook();
        let (language, templates) = playbook.messages[&order.message].language_for(order.locale.as_deref()).unwrap();
        let needs = Needs::of(templates, order.channel, &order.data);
        let product = order.data.product.as_ref().filter(|_| needs.listing);
        let listing = product.map(|product| self.listing(&product.id));
        let known = listing.iter().map(|listing| (listing.product.id.to_string(), listing.clone())).collect();
        let data = completed(&order.data, &known);
        let store = if needs.store { store(playbook, &order.data, listing.as_ref()) } else { None };
        let destinations = playbook.links.as_ref().map(LinkSettings::pages).unwrap_or_default();
        let locale = Locale { language: language.to_owned(), reader: order.locale.clone(), ..Locale::default() };
        let found = Found { store, destinations, locale, ..Found::default() };
        let mut shown = match render_with(templates, order.channel, &data, &found).unwrap() {
            RenderedMessage::Email { subject, .. } => format!("by email \"{subject}\""),
            RenderedMessage::Sms { text, segments, .. } => {
                assert_eq!(segments, 1, "{text}");
                format!("by sms \"{text}\"")
            }
            RenderedMessage::Webhook { text, .. } => format!("by webhook \"{text}\""),
            RenderedMessage::OnSite(message) => {
                format!("by on_site \"{}: {}\"", message.title.unwrap_or_default(), message.text)
            }
            other => panic!("the shipped plays use no messenger: {other:?}"),
        };
        if self.arrives != Arrives::Late && order.decided_at != order.due_at {
            write!(shown, " (decided {})", clock::write(order.decided_at)).unwrap();
        }
        shown
    }

    /// What the catalogue knows of a product.
    fn listing(&self, id: &str) -> Listing {
        let article = self.words.articles().find(|article| article.id() == id).unwrap();
        let there = self.stock.iter().filter(|(product, _)| product == id);
        let stock = Stock::Places(there.map(|(_, place)| ((*place).to_owned(), 3)).collect());
        Listing { product: product(article), stock: Some(stock) }
    }
}

fn product(article: &Article) -> Product {
    products_of(article.to_json(1).as_object().unwrap()).remove(0)
}

fn micros(amount: f64) -> Micros {
    Micros::new((amount * 1e6).round() as i64)
}
