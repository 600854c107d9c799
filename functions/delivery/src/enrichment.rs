//! What a message shows that the decision does not know: the place to go to, and what the catalogue says of the
//! products. Looked for only when a template of the message names it.
//!
//! The product that a play is about and what lies in the cart are shown as the shop told of them, with what is missing filled in;
//! products to look at again and related ones cost what the catalogue says now.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use kairos_cloud::catalogue::CatalogueTable;
use kairos_engine::bought::key;
use kairos_engine::bounds::{RELATED_ASKED_MAX, RELATED_MAX, RELATED_SPARE, STORE_DISTANCE_M_MAX};
use kairos_engine::mailbox::MessageData;
use kairos_engine::playbook::{Channel, LocalizedMessage, Place, PlaceSelector, Playbook};
use kairos_engine::product::Product;
use kairos_messages::{Store, names_in_message};
use kairos_protocol::catalogue::{Catalogue, Listing};
use kairos_protocol::port::Fault;

/// The catalogue, as far as messages need it.
pub trait Listings {
    /// What is known of these products (at least one), by their ids.
    fn listings(&self, products: &[String]) -> impl Future<Output = Result<BTreeMap<String, Listing>, Fault>>;

    /// The products of a category that messages may offer, the newest first; at most `limit`.
    fn newest_of(&self, category: &str, limit: usize) -> impl Future<Output = Result<Vec<String>, Fault>>;
}

impl Listings for CatalogueTable {
    async fn listings(&self, products: &[String]) -> Result<BTreeMap<String, Listing>, Fault> {
        let entries = self.load(products).await?;
        entries.into_iter().map(|(id, entry)| Ok((id, entry?.listing))).collect()
    }

    async fn newest_of(&self, category: &str, limit: usize) -> Result<Vec<String>, Fault> {
        CatalogueTable::newest_of(self, category, limit).await
    }
}

/// What the templates of a message need beyond the data of its decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// A place to show.
    pub store: bool,
    /// What the catalogue says of the product.
    pub listing: bool,
    /// The products in the cart.
    pub cart: bool,
    /// The products looked at last.
    pub viewed: bool,
    /// Products of the same category.
    pub related: bool,
}

impl Needs {
    /// What a message on a channel needs with this data.
    pub fn of(message: &LocalizedMessage, channel: Channel, data: &MessageData) -> Self {
        let names = names_in_message(message, channel);
        let names_root = |root: &str| names.iter().any(|name| name.split('.').next() == Some(root));
        let store = names_root("store");
        let cart = names.contains("cart") || names.contains("cart.items");
        let needs = Self { store, listing: false, cart, viewed: names_root("viewed"), related: names_root("related") };
        let Some(product) = &data.product else { return needs };
        let shown = |field: &str| names.contains("product") || names.contains(&format!("product.{field}"));
        let is_missing = [
            ("name", product.name.is_none()),
            ("price", product.price.is_none()),
            ("image_url", product.image_url.is_none()),
            ("url", product.url.is_none()),
            ("category", product.category.is_none()),
        ];
        let listing = is_missing.iter().any(|(field, is_missing)| *is_missing && shown(field));
        // The place that was entered is the one to show, whatever it has.
        Self { listing: listing || (store && data.place.is_none()), ..needs }
    }

    /// Whether all lists of products that it shows are empty; not, when it shows none.
    pub fn are_empty(&self, data: &MessageData, related: &[Product]) -> bool {
        let lists =
            [(self.cart, data.cart.items.len()), (self.viewed, data.viewed.len()), (self.related, related.len())];
        let mut shown = lists.into_iter().filter(|(is_shown, _)| *is_shown).map(|(_, products)| products).peekable();
        shown.peek().is_some() && shown.all(|products| products == 0)
    }

    /// The products of which the catalogue is asked.
    pub fn products(&self, data: &MessageData) -> Vec<String> {
        // What is related, the category says.
        let first = self.related.then(|| starting_points(data).next()).flatten();
        let product = data.product.as_ref().filter(|_| self.listing);
        let is_incomplete = |product: &&Product| {
            let Product { name, price, image_url, url, .. } = product;
            name.is_none() || price.is_none() || image_url.is_none() || url.is_none()
        };
        let cart = data.cart.items.iter().filter(|_| self.cart).filter(is_incomplete);
        let viewed = data.viewed.iter().filter(|_| self.viewed);
        let all: BTreeSet<&str> = product.into_iter().chain(first).chain(cart).chain(viewed).map(|p| &*p.id).collect();
        all.into_iter().map(str::to_owned).collect()
    }
}

/// What others are related to: the product that the play is about, what was looked at last, what lies in the cart.
fn starting_points(data: &MessageData) -> impl Iterator<Item = &Product> {
    data.product.iter().chain(&data.viewed).chain(&data.cart.items)
}

/// Products of the category of what the message is about, or of what the user looked at or took last: the newest first,
/// without what they are looking at, have in the cart or have bought, as the catalogue tells of them now.
///
/// # Errors
/// When the catalogue cannot be read.
pub async fn related(
    listings: &impl Listings,
    data: &MessageData,
    known: &BTreeMap<String, Listing>,
) -> Result<Vec<Product>, Fault> {
    let category = |product: &Product| {
        let listed = known.get(product.id.as_str()).and_then(|listing| listing.product.category.clone());
        listed.or_else(|| product.category.clone())
    };
    let Some(category) = starting_points(data).next().and_then(category) else { return Ok(Vec::new()) };
    let of_cart = data.cart.items.iter().map(|product| product.id.as_str());
    let not: BTreeSet<&str> = data.product.iter().map(|product| product.id.as_str()).chain(of_cart).collect();
    let mut newest = listings.newest_of(&category, RELATED_ASKED_MAX).await?;
    newest.retain(|product| !not.contains(product.as_str()) && !data.bought.contains(&key(product)));
    newest.truncate(RELATED_MAX + RELATED_SPARE);
    if newest.is_empty() {
        return Ok(Vec::new());
    }
    let mut listed = listings.listings(&newest).await?;
    // Some were sold, or went elsewhere, since the index was written.
    let offered = newest.iter().filter_map(|product| listed.remove(product));
    let offered = offered.filter(|listing| listing.offered_in() == Some(&*category)).map(|listing| listing.product);
    Ok(offered.take(RELATED_MAX).collect())
}

/// The data with what the catalogue knows of its products and the decision did not; of products to look at again it knows
/// better.
pub fn completed(data: &MessageData, known: &BTreeMap<String, Listing>) -> MessageData {
    let mut data = data.clone();
    for product in data.product.iter_mut().chain(&mut data.cart.items) {
        if let Some(listing) = known.get(product.id.as_str()) {
            fill(product, &listing.product);
        }
    }
    for product in &mut data.viewed {
        if let Some(Listing { product: now, .. }) = known.get(product.id.as_str()) {
            let before = core::mem::replace(product, Product { quantity: product.quantity, ..now.clone() });
            fill(product, &before);
        }
    }
    data
}

/// Fills in what is missing of a product.
fn fill(product: &mut Product, known: &Product) {
    let Product { name, price, currency, image_url, url, category, .. } = known;
    fn fill<T: Clone>(missing: &mut Option<T>, known: &Option<T>) {
        if missing.is_none() {
            missing.clone_from(known);
        }
    }
    fill(&mut product.name, name);
    fill(&mut product.image_url, image_url);
    fill(&mut product.url, url);
    fill(&mut product.category, category);
    if product.price.is_none() {
        (product.price, product.currency) = (*price, *currency);
    }
}

/// The nearest of these places that has a page: the one the user is in, else by where they were last seen.
pub fn nearest_with_page<'p>(playbook: &'p Playbook, data: &MessageData, meant: &PlaceSelector) -> Option<&'p Place> {
    let mut meant = playbook.places.iter().filter(|place| place.url.is_some() && meant.matches(place));
    if let Some(entered) = &data.place
        && let Some(place) = meant.clone().find(|place| place.name == *entered)
    {
        return Some(place);
    }
    let here = data.position?;
    let near = |place: &&Place| place.position().distance_m(here) <= f64::from(STORE_DISTANCE_M_MAX);
    meant
        .by_ref()
        .filter(near)
        .min_by(|one, other| one.position().distance_m(here).total_cmp(&other.position().distance_m(here)))
}

/// The place to show: the one that was entered, else the nearest one that has the product (or the nearest at all,
/// when the message is about no product).
pub fn store(playbook: &Playbook, data: &MessageData, listing: Option<&Listing>) -> Option<Store> {
    let distance_m = |place: &Place| data.position.map(|position| place.position().distance_m(position));
    let entered = data.place.as_deref().and_then(|name| playbook.places.iter().find(|place| place.name == name));
    if let Some(place) = entered {
        return Some(shown(place, distance_m(place)));
    }
    let stock = listing.and_then(|listing| listing.stock.as_ref());
    let has_it = |place: &&Place| data.product.is_none() || stock.is_some_and(|stock| stock.is_at(&place.name));
    let with_distance = playbook.places.iter().filter(has_it).filter_map(|place| Some((place, distance_m(place)?)));
    let near = with_distance.filter(|(_, metres)| *metres <= f64::from(STORE_DISTANCE_M_MAX));
    let (place, metres) = near.min_by(|(_, one), (_, other)| one.total_cmp(other))?;
    Some(shown(place, Some(metres)))
}

fn shown(place: &Place, distance_m: Option<f64>) -> Store {
    Store {
        name: place.name.clone(),
        title: place.title.clone(),
        address: place.address.clone(),
        url: place.url.clone(),
        // Below half of the Earth's circumference, which is 20,038 km.
        distance_m: distance_m.map(|metres| metres.round() as u32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::money::{Currency, Micros};
    use kairos_engine::place::Position;
    use kairos_engine::playbook::SmsTemplate;
    use kairos_protocol::catalogue::Stock;
    use serde_json::json;

    fn playbook() -> Playbook {
        let place = |name: &str, latitude: f64| {
            serde_json::from_value(json!({
                "name": name, "title": name, "latitude": latitude, "longitude": 13.4, "radius_m": 100,
                "address": "1 High Street", "url": "https://shop.example/place",
            }))
            .unwrap()
        };
        // About 1.1, 2.2, 11 and 111 km north of the user.
        let places = vec![place("near", 52.51), place("further", 52.52), place("far", 52.6), place("gone", 53.5)];
        Playbook { places, ..Playbook::default() }
    }

    fn about_a_mug() -> MessageData {
        let product = Product { id: "mug".into(), quantity: 1, ..Product::default() };
        MessageData { product: Some(product), position: Position::new(52.5, 13.4), ..MessageData::default() }
    }

    fn listing(stock: Option<Stock>) -> Listing {
        let product = Product {
            id: "mug".into(),
            name: Some("Mug".into()),
            price: Some(Micros::new(5_000_000)),
            currency: Currency::parse("EUR"),
            quantity: 1,
            image_url: Some("https://shop.example/mug.jpg".into()),
            url: Some("https://shop.example/mug".into()),
            category: Some("kitchen".into()),
        };
        Listing { product, stock }
    }

    fn at(places: &[(&str, u32)]) -> Listing {
        listing(Some(Stock::Places(places.iter().map(|(place, there)| ((*place).to_owned(), *there)).collect())))
    }

    #[test]
    fn the_place_shown_is_the_one_entered_or_the_nearest_with_the_product() {
        let mug = about_a_mug();
        let entered = MessageData { place: Some("far".into()), ..mug.clone() };
        let nowhere = MessageData { position: None, ..mug.clone() };
        let nothing = MessageData { product: None, ..mug.clone() };
        for (what, data, listing, expected) in [
            ("the nearest has none", &mug, Some(at(&[("near", 0), ("far", 2), ("further", 1)])), Some("further")),
            ("only one too far away has it", &mug, Some(at(&[("gone", 5)])), None),
            ("nobody knows where it is", &mug, Some(listing(Some(Stock::Total(5)))), None),
            ("the catalogue does not know it", &mug, None, None),
            ("the user is in a place", &entered, None, Some("far")),
            ("nobody knows where the user is", &nowhere, Some(at(&[("near", 1)])), None),
            ("it is about no product", &nothing, None, Some("near")),
        ] {
            let found = store(&playbook(), data, listing.as_ref());
            assert_eq!(found.as_ref().map(|store| store.name.as_str()), expected, "{what}");
        }
        let near = store(&playbook(), &mug, Some(&at(&[("near", 1)]))).unwrap();
        assert_eq!((near.distance_m, near.address.as_deref()), (Some(1_112), Some("1 High Street")));
        let in_it = MessageData { position: None, ..entered };
        assert_eq!(store(&playbook(), &in_it, None).unwrap().distance_m, None);
    }

    #[test]
    fn a_link_leads_to_the_nearest_place_that_has_a_page() {
        let mut playbook = playbook();
        playbook.places[0].url = None;
        playbook.places[2].kind = Some("showroom".into());
        let mug = about_a_mug();
        let entered = MessageData { place: Some("far".into()), ..mug.clone() };
        let nowhere = MessageData { position: None, ..mug.clone() };
        let far_away = MessageData { position: Position::new(0.0, 0.0), ..mug.clone() };
        let showroom = PlaceSelector::Kind("showroom".into());
        for (what, data, meant, expected) in [
            ("the nearest has no page", &mug, PlaceSelector::Any, Some("further")),
            ("of a kind", &mug, showroom.clone(), Some("far")),
            ("the user is in one", &entered, PlaceSelector::Any, Some("far")),
            ("nobody knows where the user is", &nowhere, PlaceSelector::Any, None),
            ("all are too far away", &far_away, PlaceSelector::Any, None),
            ("no such place", &mug, PlaceSelector::Kind("bar".into()), None),
        ] {
            let found = nearest_with_page(&playbook, data, &meant);
            assert_eq!(found.map(|place| place.name.as_str()), expected, "{what}");
        }
    }

    #[test]
    fn the_catalogue_is_asked_only_when_a_template_shows_what_is_missing() {
        let full = MessageData { product: Some(listing(None).product), ..about_a_mug() };
        let entered = MessageData { place: Some("near".into()), ..full.clone() };
        let no_product = MessageData { product: None, ..about_a_mug() };
        for (template, data, store, listing) in [
            ("{{ user.first_name }}", about_a_mug(), false, false),
            ("{{ product.name }}", about_a_mug(), false, true),
            ("{{ product.name }}", full.clone(), false, false),
            ("{{ product.id }}", about_a_mug(), false, false),
            ("{% assign p = product %}{{ p.name }}", about_a_mug(), false, true),
            ("{{ store.title }}", full, true, true),
            ("{{ store.title }}", entered, true, false),
            ("{% if store %}x{% endif %}{{ product.name }}", no_product, true, false),
        ] {
            let sms = Some(SmsTemplate { text: template.into() });
            let message = LocalizedMessage { sms, ..LocalizedMessage::default() };
            let needs = Needs::of(&message, Channel::Sms, &data);
            assert_eq!(needs, Needs { store, listing, ..Needs::default() }, "{template}");
            assert_eq!(Needs::of(&message, Channel::Email, &data), Needs::default(), "another channel");
        }
    }

    #[test]
    fn what_the_decision_knew_stays_and_the_rest_is_filled_in() {
        let mut data = about_a_mug();
        let product = data.product.as_mut().unwrap();
        (product.name, product.price) = (Some("Blue Mug".into()), Some(Micros::new(4_000_000)));
        let known = BTreeMap::from([("mug".to_owned(), listing(None))]);
        let product = completed(&data, &known).product.unwrap();
        assert_eq!(product.name.as_deref(), Some("Blue Mug"));
        assert_eq!((product.price, product.currency), (Some(Micros::new(4_000_000)), None));
        assert_eq!(product.url.as_deref(), Some("https://shop.example/mug"));
        let product = completed(&about_a_mug(), &known).product.unwrap();
        assert_eq!((product.price, product.currency), (Some(Micros::new(5_000_000)), Currency::parse("EUR")));
        assert_eq!(completed(&data, &BTreeMap::new()), data);
        // What they looked at costs what it costs now; what lies in the cart, what the shop said.
        let seen = Product { price: Some(Micros::new(4_000_000)), quantity: 1, id: "mug".into(), ..Product::default() };
        data.viewed = vec![seen.clone()];
        data.cart.items = vec![Product { quantity: 3, ..seen }];
        let MessageData { viewed, cart, .. } = completed(&data, &known);
        assert_eq!((viewed[0].price, viewed[0].name.as_deref()), (Some(Micros::new(5_000_000)), Some("Mug")));
        assert_eq!((cart.items[0].price, cart.items[0].quantity), (Some(Micros::new(4_000_000)), 3));
        assert_eq!(cart.items[0].image_url.as_deref(), Some("https://shop.example/mug.jpg"));
    }

    /// A kitchen of twenty cups, of which the odd ones are sold out by now.
    struct Kitchen;

    impl Listings for Kitchen {
        async fn listings(&self, products: &[String]) -> Result<BTreeMap<String, Listing>, Fault> {
            let cup = |id: &String| {
                let is_odd = id.trim_start_matches("cup").parse::<u32>().is_ok_and(|number| number % 2 == 1);
                let known = listing(is_odd.then_some(Stock::Total(0)));
                (id.clone(), Listing { product: Product { id: id.as_str().into(), ..known.product }, ..known })
            };
            Ok(products.iter().map(cup).collect())
        }

        async fn newest_of(&self, category: &str, limit: usize) -> Result<Vec<String>, Fault> {
            assert_eq!(category, "kitchen");
            Ok((0..20).map(|number| format!("cup{number}")).take(limit).collect())
        }
    }

    #[test]
    fn related_products_are_the_newest_that_can_be_had_and_are_not_had_already() {
        use futures_util::FutureExt;
        let product = |id: &str, category: Option<&str>| Product {
            id: id.into(),
            category: category.map(Into::into),
            quantity: 1,
            ..Product::default()
        };
        let related = |data: &MessageData, known: &BTreeMap<String, Listing>| -> Vec<String> {
            let products = super::related(&Kitchen, data, known).now_or_never().expect("nothing here waits").unwrap();
            products.into_iter().map(|product| product.id.to_string()).collect()
        };
        let mut data = MessageData { product: Some(product("cup0", Some("kitchen"))), ..MessageData::default() };
        let nothing = BTreeMap::new();
        assert_eq!(related(&data, &nothing), ["cup2", "cup4", "cup6", "cup8", "cup10", "cup12"]);
        data.cart.items = vec![product("cup2", None)];
        data.bought = vec![key("cup4"), key("tea")];
        assert_eq!(related(&data, &nothing), ["cup6", "cup8", "cup10", "cup12", "cup14"]);
        let looking = MessageData { viewed: vec![product("mug", None)], ..MessageData::default() };
        let known = BTreeMap::from([("mug".to_owned(), listing(None))]);
        assert_eq!(related(&looking, &known).len(), RELATED_MAX);
        assert!(related(&looking, &nothing).is_empty(), "nobody knows what it is");
        assert!(related(&MessageData::default(), &nothing).is_empty());
    }

    #[test]
    fn a_message_that_needs_products_tells_when_it_has_none() {
        let needs = |template: &str| {
            let sms = Some(SmsTemplate { text: template.into() });
            let message = LocalizedMessage { sms, ..LocalizedMessage::default() };
            Needs::of(&message, Channel::Sms, &MessageData::default())
        };
        let one = Product::default();
        let viewed = MessageData { viewed: vec![one.clone()], ..MessageData::default() };
        let nothing = MessageData::default();
        for (template, data, related, is_empty) in [
            ("{{ viewed.first.name }}", &nothing, vec![], true),
            ("{{ viewed.first.name }}", &viewed, vec![], false),
            ("{{ related.first.name }}{{ viewed.size }}", &nothing, vec![one], false),
            ("{% for item in cart.items %}{% endfor %}{{ related.size }}", &viewed, vec![], true),
            ("{{ cart.total }}", &nothing, vec![], false),
        ] {
            assert_eq!(needs(template).are_empty(data, &related), is_empty, "{template}");
        }
        assert_eq!(needs("{{ viewed.first.name }}").products(&viewed), [""]);
        assert!(needs("{{ product.name }}").products(&viewed).is_empty());
    }
}
