//! What a message shows that the decision does not know: the place to go to, and what the catalogue says of the
//! product. Looked for only when a template of the message names it.

use std::future::Future;

use kairos_cloud::catalogue::CatalogueTable;
use kairos_engine::bounds::STORE_DISTANCE_M_MAX;
use kairos_engine::mailbox::MessageData;
use kairos_engine::playbook::{Channel, LocalizedMessage, Place, PlaceSelector, Playbook};
use kairos_engine::product::Product;
use kairos_messages::{Store, names_in_message};
use kairos_protocol::catalogue::Listing;
use kairos_protocol::port::Fault;

/// The catalogue, as far as messages need it.
pub trait Listings {
    /// What is known of a product.
    fn listing(&self, product: &str) -> impl Future<Output = Result<Option<Listing>, Fault>>;
}

impl Listings for CatalogueTable {
    async fn listing(&self, product: &str) -> Result<Option<Listing>, Fault> {
        Ok(self.get(product).await?.map(|entry| entry.listing))
    }
}

/// What the templates of a message need beyond the data of its decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// A place to show.
    pub store: bool,
    /// What the catalogue says of the product.
    pub listing: bool,
}

impl Needs {
    /// What a message on a channel needs with this data.
    pub fn of(message: &LocalizedMessage, channel: Channel, data: &MessageData) -> Self {
        let names = names_in_message(message, channel);
        let store = names.iter().any(|name| name.split('.').next() == Some("store"));
        let Some(product) = &data.product else { return Self { store, listing: false } };
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
        Self { store, listing: listing || (store && data.place.is_none()) }
    }
}

/// The data with what the catalogue knows of the product and the decision did not.
pub fn completed(data: &MessageData, listing: Option<&Listing>) -> MessageData {
    let mut data = data.clone();
    if let (Some(product), Some(Listing { product: known, .. })) = (&mut data.product, listing) {
        let Product { name, price, currency, image_url, url, category, .. } = known;
        let fill = |missing: &mut Option<String>, known: &Option<String>| {
            if missing.is_none() {
                missing.clone_from(known);
            }
        };
        fill(&mut product.name, name);
        fill(&mut product.image_url, image_url);
        fill(&mut product.url, url);
        fill(&mut product.category, category);
        if product.price.is_none() {
            (product.price, product.currency) = (*price, *currency);
        }
    }
    data
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
            assert_eq!(needs, Needs { store, listing }, "{template}");
            assert_eq!(Needs::of(&message, Channel::Email, &data), Needs::default(), "another channel");
        }
    }

    #[test]
    fn what_the_decision_knew_stays_and_the_rest_is_filled_in() {
        let mut data = about_a_mug();
        let product = data.product.as_mut().unwrap();
        (product.name, product.price) = (Some("Blue Mug".into()), Some(Micros::new(4_000_000)));
        let product = completed(&data, Some(&listing(None))).product.unwrap();
        assert_eq!(product.name.as_deref(), Some("Blue Mug"));
        assert_eq!((product.price, product.currency), (Some(Micros::new(4_000_000)), None));
        assert_eq!(product.url.as_deref(), Some("https://shop.example/mug"));
        let product = completed(&about_a_mug(), Some(&listing(None))).product.unwrap();
        assert_eq!((product.price, product.currency), (Some(Micros::new(5_000_000)), Currency::parse("EUR")));
        assert_eq!(completed(&data, None), data);
    }
}
