//! Whom a preview is for: a sample shopper with a cart, or a user of an installation.

use std::collections::{BTreeMap, BTreeSet};

use kairos_cloud::catalogue::CatalogueTable;
use kairos_delivery::enrichment::Listings;
use kairos_engine::mailbox::{CartData, DeviceData, MessageData, PersonData};
use kairos_engine::money::{Currency, Micros};
use kairos_engine::place::Position;
use kairos_engine::playbook::{Channel, Play, Playbook, TraitValue};
use kairos_engine::product::Product;
use kairos_engine::state::{Subject, UserState};
use kairos_messages::names_in_message;
use kairos_protocol::catalogue::{Listing, Stock};
use kairos_protocol::port::Fault;

use super::sends;

/// How far north of the first place the sample shopper stands, in degrees of latitude: about 700 m.
const AWAY: f64 = 0.0063;

/// Somebody who gets messages.
#[derive(Debug)]
pub struct Shopper {
    /// Who it is, in words.
    pub described: String,
    /// Whether there is nobody like that.
    pub is_sample: bool,
    /// Their language, when known.
    pub locale: Option<String>,
    /// Where they can be reached.
    pub addresses: BTreeMap<Channel, String>,
    /// What templates can show.
    pub data: MessageData,
    /// What is known of products.
    pub catalogue: Catalogue,
}

impl Shopper {
    /// A shopper with a cart, near the first place of the playbook. Of the event that starts the play each property is
    /// there that its messages show.
    pub fn sample(playbook: &Playbook, play: &Play) -> Self {
        let items = vec![product("mug", "Blue Mug", 35_790_000, 2), product("pot", "Moka Pot for Two", 27_500_000, 1)];
        let position = playbook.places.first().map(|place| place.position());
        let data = MessageData {
            user: PersonData {
                id: Some("sample".into()),
                first_name: Some("Ann".into()),
                last_name: Some("Lee".into()),
            },
            cart: CartData {
                total: Some(Micros::new(99_080_000)),
                currency: Currency::parse("EUR"),
                items: items.clone(),
            },
            product: items.first().cloned(),
            product_was: Some(Micros::new(42_000_000)),
            viewed: items,
            event: sample_event(playbook, play),
            position: position.and_then(|place| Position::new(place.latitude - AWAY, place.longitude)),
            device: DeviceData { kind: Some("phone".into()), os: Some("ios".into()) },
            ..MessageData::default()
        };
        Self {
            described: "Ann Lee, a sample shopper with 3 things for 99.08 EUR in the cart".into(),
            is_sample: true,
            locale: None,
            addresses: BTreeMap::new(),
            data,
            catalogue: Catalogue::Sample(playbook.places.iter().map(|place| (place.name.clone(), 3)).collect()),
        }
    }

    /// A user as they are known now. When the play is on its way with them, it is about what started it; else about the
    /// product they looked at or took last, with sample properties of the event.
    pub fn known(name: &str, state: &UserState, playbook: &Playbook, play: &Play, catalogue: Catalogue) -> Self {
        let run = state.plays.get(&play.name).and_then(|standing| standing.run.as_ref());
        let subject = run.map_or_else(
            || Subject {
                product: state.viewed.last().or_else(|| state.cart.items().last()).cloned(),
                event: sample_event(playbook, play),
                place: state.inside.last().map(|inside| inside.place.clone()),
                ..Subject::default()
            },
            |run| run.subject.clone(),
        );
        let on_the_way = if run.is_some() { ", with the play on its way" } else { "" };
        let addresses = Channel::ALL.into_iter().filter_map(|channel| {
            let address = match channel {
                // The names of their push services say as much as a person wants to know.
                Channel::WebPush => state.web_push.last()?.service(),
                Channel::MobilePush => state.devices.last()?.platform.key(),
                channel => state.profile.address(channel)?,
            };
            Some((channel, address.to_owned()))
        });
        Self {
            described: format!("{name}, as known now{on_the_way}"),
            is_sample: false,
            locale: state.profile.locale.clone(),
            addresses: addresses.collect(),
            data: MessageData::of(state, &subject),
            catalogue,
        }
    }
}

fn product(id: &str, name: &str, micros: i64, quantity: u32) -> Product {
    Product {
        id: id.into(),
        name: Some(name.into()),
        price: Some(Micros::new(micros)),
        currency: Currency::parse("EUR"),
        quantity,
        image_url: Some(format!("https://shop.example/{id}.jpg")),
        url: Some(format!("https://shop.example/{id}")),
        category: Some("kitchen".into()),
    }
}

/// The properties that the play's messages show, each with its own name in words.
fn sample_event(playbook: &Playbook, play: &Play) -> BTreeMap<String, TraitValue> {
    let messages = sends(&play.steps).into_iter().filter_map(|(name, _)| playbook.messages.get(name));
    let templates = messages.flat_map(|message| message.locales.values());
    let names: BTreeSet<String> = templates
        .flat_map(|templates| Channel::ALL.into_iter().flat_map(|channel| names_in_message(templates, channel)))
        .collect();
    let properties = names.iter().filter_map(|name| name.strip_prefix("event."));
    properties.map(|name| (name.to_owned(), TraitValue::Text(format!("[{}]", name.replace('_', " "))))).collect()
}

/// What is related to what the sample shopper has.
fn related_samples() -> [Product; 2] {
    [product("cup", "Espresso Cup", 12_900_000, 1), product("kettle", "Kettle with a Long Spout", 64_000_000, 1)]
}

/// What is known of products.
#[derive(Debug)]
pub enum Catalogue {
    /// Nothing but how many of each are at each place.
    Sample(BTreeMap<String, u32>),
    /// What an installation knows.
    Installed(CatalogueTable),
}

impl Listings for Catalogue {
    async fn listings(&self, ids: &[String]) -> Result<BTreeMap<String, Listing>, Fault> {
        let places = match self {
            Self::Sample(places) => places,
            Self::Installed(table) => return table.listings(ids).await,
        };
        let listing = |id: &String| {
            let related = related_samples().into_iter().find(|product| product.id == *id);
            // Of the others the shopper knows everything.
            let product =
                related.unwrap_or_else(|| Product { id: id.as_str().into(), quantity: 1, ..Product::default() });
            let stock = (!places.is_empty()).then(|| Stock::Places(places.clone()));
            (id.clone(), Listing { product, stock })
        };
        Ok(ids.iter().map(listing).collect())
    }

    async fn newest_of(&self, category: &str, limit: usize) -> Result<Vec<String>, Fault> {
        match self {
            Self::Sample(_) => Ok(related_samples().into_iter().map(|product| product.id.into()).take(limit).collect()),
            Self::Installed(table) => Listings::newest_of(table, category, limit).await,
        }
    }
}
