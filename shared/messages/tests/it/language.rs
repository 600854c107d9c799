use super::{data, looking, text};
use kairos_engine::mailbox::MessageData;
use kairos_engine::money::{Currency, Micros, Money};
use kairos_engine::playbook::{Channel, Discount, LocalizedMessage, Share, WebhookTemplate};
use kairos_engine::time::Timestamp;
use kairos_messages::{Found, Locale, PromoCode, RenderedMessage, Store, names_in, render_with};

#[test]
fn templates_say_what_their_authors_mean() {
    let data = data();
    for (template, expected) in [
        ("Hi {{ user.first_name }}!", "Hi Ann!"),
        ("{{ user.last_name }}|{{ user.last_name | default: 'friend' }}", "|friend"),
        ("{% for item in cart.items %}{{ item.name | default: item.id }} {% endfor %}", "Blue Mug tea"),
        ("{{ cart.items[0].price | money }}", "35.79 EUR"),
        ("{{ cart.items[0].price | money: ',' }}", "35,79 EUR"),
        ("{{ cart.items.first.price }} {{ cart.items.last.price | money }}", "35.79"),
        ("{{ cart.items[-1].id }} {{ cart.items[7].id }}.", "tea ."),
        ("{{ cart.items.first.price | times: cart.items.first.quantity | money }}", "71.58 EUR"),
        ("{{ 10 | divided_by: 4 }} {{ 1 | divided_by: 0 }}{{ 2 | plus: 0.5 }} {{ 2 | minus: 3 }}", "2 2.5 -1"),
        ("{{ cart.total | money }} {{ cart.currency }} {{ cart.items.size }}", "71.58 EUR EUR 2"),
        ("{% if user.last_name %}a{% elsif user.first_name == 'Ann' %}b{% else %}c{% endif %}", "b"),
        ("{% unless user.last_name %}no{% else %}yes{% endunless %}", "no"),
        ("{% if cart.items.size > 1 and cart.total >= 50 %}big{% endif %}", "big"),
        ("{% if user.last_name == blank or cart.items == empty %}x{% endif %}", "x"),
        ("{% if user.first_name contains 'nn' %}x{% endif %}", "x"),
        ("{% case user.first_name %}{% when 'Bob' %}b{% when 'Eve', 'Ann' %}a{% else %}?{% endcase %}", "a"),
        ("{% for i in (1..3) reversed %}{{ i }}{% unless forloop.last %},{% endunless %}{% endfor %}", "3,2,1"),
        ("{% for i in (1..9) limit: 2 offset: 3 %}{{ i }}{{ forloop.index0 }}{% endfor %}", "4051"),
        ("{% for i in (3..1) %}x{% else %}none{% endfor %}", "none"),
        (
            "{% for i in (1..5) %}{% if i == 2 %}{% continue %}{% elsif i > 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
            "13",
        ),
        (
            "{% for i in (1..2) %}{% for j in (1..2) %}{{ i }}{{ j }}{{ forloop.index }} {% endfor %}{% endfor %}",
            "111 122 211 222",
        ),
        ("{% assign n = 'x' %}{% for i in (1..3) %}{% assign n = n | append: i %}{% endfor %}{{ n }}", "x123"),
        ("a  {{- ' b ' -}}  c {%- comment %} it's {{ nothing }} {% endcomment -%}  d", "a b cd"),
        ("{% raw %}{{ user.first_name }}{% endraw %}", "{{ user.first_name }}"),
        ("{{ 'ann' | capitalize | append: '!' | prepend: '¡' }} {{ 'Ä' | downcase }}{{ 'ß' | upcase }}", "¡Ann! äSS"),
        ("{{ 'abcdef' | truncate: 5 }} {{ 'abcdef' | truncate: 3, '' }} {{ 'abc' | truncate: 3 }}", "ab... abc abc"),
        ("{{ 'a-b-c' | replace: '-', '+' }} {{ 'a-b' | remove: '-' }} {{ ' x ' | strip }}", "a+b+c ab x"),
        ("{{ 'a b&c/ä' | url_encode }}", "a%20b%26c%2F%C3%A4"),
        ("{{ \"}}\" }} {{ '%}' }} { { } %", "}} %} { { } %"),
    ] {
        assert_eq!(text(template, &data).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn what_is_not_known_of_a_user_leaves_no_trace() {
    let nobody = MessageData::default();
    for (template, expected) in [
        (
            "{{ user.first_name }}{{ user.id | upcase }}{{ cart.total | money }}{{ cart.items.first.price | times: 2 }}",
            "",
        ),
        ("{% for item in cart.items %}x{% else %}empty{% endfor %}{% if cart.items %}y{% endif %}", "empty"),
        (
            "{% if user.first_name contains 'x' or user.first_name == 'y' %}a{% elsif user.first_name == blank %}b{% endif %}",
            "b",
        ),
        (
            "{% assign n = user.first_name %}{% if n %}a{% endif %}{% case n %}{% when 'x' %}b{% endcase %}{{ n | append: '!' }}",
            "!",
        ),
        ("{% if cart.items.size == 0 %}a{% endif %}{% if cart.items.size %}b{% endif %}", "ab"),
        (
            "{% for i in (1..cart.total) %}a{% else %}b{% endfor %}{{ cart.total | plus: 1 }}{{ 'x' | truncate: cart.total }}",
            "b...",
        ),
        ("{% if cart.total > 5 %}a{% elsif cart.total < 5 %}b{% else %}c{% endif %}", "c"),
    ] {
        assert_eq!(text(template, &nobody).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn prices_have_the_decimals_of_their_currency() {
    use kairos_engine::money::{Currency, Micros};
    for (micros, currency, expected) in [
        (1_234_500_000, "JPY", "1235 JPY"),
        (1_234_567, "KWD", "1.235 KWD"),
        (9_999_999, "USD", "10.00 USD"),
        (-500_000, "EUR", "-0.50 EUR"),
    ] {
        let mut data = data();
        data.cart.total = Some(Micros::new(micros));
        data.cart.currency = Currency::parse(currency);
        assert_eq!(text("{{ cart.total | money }}", &data).as_deref(), Ok(expected));
    }
}

#[test]
fn no_price_is_shown_in_a_currency_that_may_not_be_its_own() {
    let mut data = data();
    let mug = &mut data.cart.items[1];
    (mug.price, mug.currency) = (data.cart.total, kairos_engine::money::Currency::parse("USD"));
    (data.cart.total, data.cart.currency) = (None, None);
    let template = "{% for item in cart.items %}{{ item.price | money }}, {% endfor %}{{ cart.total | money }}\
        {% assign price = cart.items.first.price %}{{ price | money }}";
    assert_eq!(text(template, &data).as_deref(), Ok("35.79 EUR, 71.58 USD, 35.79"));
    data.cart.items.pop();
    assert_eq!(
        text("{% assign sum = cart.items[0].price | times: 2 %}{{ sum | money }}", &data).as_deref(),
        Ok("71.58 EUR")
    );
}

#[test]
fn a_template_shows_what_the_play_is_about() {
    for (template, expected) in [
        (
            "{{ product.name }} {{ product.price | money }}, was {{ product.was | money: ',' }}",
            "Lamp 20.00 USD, was 25,50 USD",
        ),
        ("{{ product.was | minus: product.price | money }}", "5.50 USD"),
        (
            "{% for item in viewed %}{{ item.name }} {{ item.price | money }} {% endfor %}",
            "Lamp 20.00 USD Blue Mug 35.79 EUR",
        ),
        ("{{ viewed.last.category }} {{ viewed.size }}", "kitchen 2"),
        (
            "{{ event.query }} {{ event.position }} {{ event.nothing }}{{ event['query'] | upcase }}",
            "blue <mug> 3 BLUE <MUG>",
        ),
        ("{% if event.member %}member{% endif %}{% for tag in event.tags %} {{ tag }}{% endfor %}", "member a b"),
        ("{% if device.type == 'phone' %}tap{% else %}click{% endif %}{{ device.os }}", "tap"),
        ("{% if store %}yes{% else %}no{% endif %}{{ store.title }}{{ store.distance_m | distance }}", "no"),
    ] {
        assert_eq!(text(template, &looking()).as_deref(), Ok(expected), "{template}");
    }
    assert_eq!(text("{% if product %}yes{% else %}no{% endif %}{{ product.name }}", &data()).as_deref(), Ok("no"));
}

#[test]
fn a_place_is_shown_with_how_far_it_is() {
    let template = "{% if store %}{{ store.title }} ({{ store.distance_m | distance: ',' }}), {{ store.address }}{{ store.url }}{% endif %}";
    let templates = WebhookTemplate { text: template.into(), ..WebhookTemplate::default() };
    let message = LocalizedMessage { webhook: Some(templates), ..LocalizedMessage::default() };
    for (distance_m, expected) in [
        (Some(0), "0 m"),
        (Some(4), "0 m"),
        (Some(347), "350 m"),
        (Some(994), "990 m"),
        (Some(995), "1,0 km"),
        (Some(1_249), "1,2 km"),
        (Some(9_949), "9,9 km"),
        (Some(9_950), "10 km"),
        (Some(48_600), "49 km"),
        (None, ""),
    ] {
        let store = Store {
            name: "old_town".into(),
            title: "Old Town".into(),
            address: Some("1 High Street".into()),
            url: Some("javascript:x".into()),
            distance_m,
        };
        let found = Found { store: Some(store), ..Found::default() };
        let rendered = render_with(&message, Channel::Webhook, &data(), &found).unwrap();
        let expected = format!("Old Town ({expected}), 1 High Street");
        assert_eq!(rendered, RenderedMessage::Webhook { to: None, text: expected, body: None }, "{distance_m:?}");
    }
}

#[test]
fn a_promo_code_is_shown_with_what_it_is_good_for() {
    let template = "{% case promo_code.kind %}{% when 'percent' %}{{ promo_code.percent }} %\
        {% when 'amount' %}{{ promo_code.amount | money }}{% else %}free shipping{% endcase %}: {{ promo_code.code }}\
        {% if promo_code.minimum_total %} from {{ promo_code.minimum_total | money }}{% endif %}";
    let templates = WebhookTemplate { text: template.into(), ..WebhookTemplate::default() };
    let message = LocalizedMessage { webhook: Some(templates), ..LocalizedMessage::default() };
    let money = |micros| Money { amount: Micros::new(micros), currency: Currency::parse("EUR").unwrap() };
    for (discount, minimum_total, expected) in [
        (Discount::Percent(Share(1_000)), None, "10 %: H7KM-4XRW-9CFP"),
        (Discount::Percent(Share(1_250)), Some(money(50_000_000)), "12.5 %: H7KM-4XRW-9CFP from 50.00 EUR"),
        (Discount::Amount(money(5_500_000)), None, "5.50 EUR: H7KM-4XRW-9CFP"),
        (Discount::FreeShipping, Some(money(20_000_000)), "free shipping: H7KM-4XRW-9CFP from 20.00 EUR"),
    ] {
        let code = PromoCode {
            code: "H7KM-4XRW-9CFP".into(),
            title: "Spring".into(),
            discount,
            minimum_total,
            maximum_discount: None,
            expires_at: Timestamp::from_millis(0),
        };
        let found = Found { promo_code: Some(code), ..Found::default() };
        let rendered = render_with(&message, Channel::Webhook, &data(), &found).unwrap();
        assert_eq!(rendered, RenderedMessage::Webhook { to: None, text: expected.into(), body: None });
    }
}

#[test]
fn what_a_template_names_is_known_before_it_is_rendered() {
    for (template, expected) in [
        (
            "{{ store.title }} {% if event.query contains 'x' %}{{ event['the place'] }}{% endif %}",
            "event.query event.the place store.title",
        ),
        ("{% for item in viewed %}{{ item.name | default: user.id }}{% endfor %}", "user.id viewed"),
        (
            "store.title 'event.x' {{ 'store.title' }} {{ cart.items[0].product }}{% raw %}{{ store }}{% endraw %}",
            "cart.items",
        ),
        ("{% assign p = product %}{{ p.name }}", "product"),
        ("{{ store.", ""),
    ] {
        let names: Vec<String> = names_in(template).into_iter().collect();
        assert_eq!(names.join(" "), expected, "{template}");
    }
}

fn in_locale(template: &str, data: &MessageData, locale: Locale) -> String {
    let message = LocalizedMessage {
        webhook: Some(WebhookTemplate { text: template.into(), ..WebhookTemplate::default() }),
        ..LocalizedMessage::default()
    };
    let found = Found { locale, ..Found::default() };
    match render_with(&message, Channel::Webhook, data, &found) {
        Ok(RenderedMessage::Webhook { text, .. }) => text,
        other => panic!("{template}: {other:?}"),
    }
}

fn locale(language: &str, reader: &str, time_zone: &str) -> Locale {
    Locale {
        language: language.into(),
        reader: (!reader.is_empty()).then(|| reader.into()),
        time_zone: time_zone.into(),
        now: Some(Timestamp::from_millis(1_797_465_600_000)),
    }
}

#[test]
fn times_are_said_by_the_readers_clock_in_the_language_of_the_message() {
    let all = "{{ '2026-12-24T23:05:00Z' | date }}|{{ '2026-12-24T23:05:00Z' | date: 'long' }}|\
        {{ '2026-12-24T23:05:00Z' | date: 'weekday' }}|{{ '2026-12-24T23:05:00Z' | date: 'time' }}";
    for (language, reader, zone, template, expected) in [
        ("en", "en-US", "America/New_York", all, "12/24/2026|December 24, 2026|Thursday, December 24|6:05 PM"),
        ("en", "en-GB", "Europe/London", all, "24/12/2026|24 December 2026|Thursday 24 December|23:05"),
        // It is the next day in Berlin already.
        ("de", "de-DE", "Europe/Berlin", all, "25.12.2026|25. Dezember 2026|Freitag, 25. Dezember|00:05"),
        ("ru", "ru", "Europe/Moscow", all, "25.12.2026|25 декабря 2026 г.|пятница, 25 декабря|02:05"),
        ("uk", "uk-UA", "Europe/Kyiv", all, "25.12.2026|25 грудня 2026 р.|пʼятниця, 25 грудня|01:05"),
        // The message decides about the language, the reader's country only about their own.
        ("en", "de-DE", "Europe/Berlin", "{{ '2026-12-24T23:05:00Z' | date: 'long' }}", "December 25, 2026"),
        ("de", "de-AT", "Europe/Vienna", "{{ '2027-01-02T12:00:00Z' | date: '%a, %-d. %B' }}", "Sa., 2. Jänner"),
        (
            "eu",
            "",
            "UTC",
            "{{ 'now' | date }} {{ 'now' | date: 'time' }} {{ 'now' | date: '%d/%m' }}",
            "2026-12-17 00:00 17/12",
        ),
        // What is a day already stays that day.
        (
            "en",
            "",
            "Asia/Tokyo",
            "{{ '2026-12-24' | date: 'weekday' }} {{ 1798153500 | date: 'time' }}",
            "Thursday, December 24 8:05 AM",
        ),
        (
            "en",
            "",
            "Nowhere/At_All",
            "{{ 1798153500000 | date: 'time' }}{{ event.soon | date }}{{ event.nothing | date }}",
            "11:05 PM",
        ),
    ] {
        assert_eq!(in_locale(template, &data(), locale(language, reader, zone)), expected, "{language} {reader}");
    }
}

#[test]
fn counts_and_distances_are_said_as_languages_and_countries_do() {
    let items = "{% for n in (0..5) %}{{ n }} {{ n | plural: one: 'товар', few: 'товари', many: 'товарів', other: 'товару' }} {% endfor %}\
        {{ 21 | plural: one: 'товар', few: 'товари', many: 'товарів', other: 'товару' }} \
        {{ 1.5 | plural: one: 'товар', few: 'товари', many: 'товарів', other: 'товару' }}";
    assert_eq!(
        in_locale(items, &data(), locale("uk", "", "UTC")),
        "0 товарів 1 товар 2 товари 3 товари 4 товари 5 товарів товар товару"
    );
    let english = "{{ cart.items.size | plural: one: 'item', other: 'items' }} {{ 1 | plural: one: user.first_name, other: '' }}\
        {{ event.nothing | plural: one: 'x', other: 'y' }}";
    assert_eq!(in_locale(english, &data(), locale("en", "", "UTC")), "items Ann");
    let distances = "{{ 87 | distance }}, {{ 350 | distance }}, {{ 1234 | distance }}, {{ 45678 | distance }}";
    for (language, reader, expected) in [
        ("en", "", "90 m, 350 m, 1.2 km, 46 km"),
        ("de", "", "90 m, 350 m, 1,2 km, 46 km"),
        ("ru", "ru-RU", "90 м, 350 м, 1,2 км, 46 км"),
        ("en", "en-US", "300 ft, 0.2 mi, 0.8 mi, 28 mi"),
        ("en", "en-GB", "100 yd, 0.2 mi, 0.8 mi, 28 mi"),
        // Who lives in America walks miles, whatever they read.
        ("de", "en-US", "300 ft, 0,2 mi, 0,8 mi, 28 mi"),
    ] {
        assert_eq!(in_locale(distances, &data(), locale(language, reader, "UTC")), expected, "{language} {reader}");
    }
}
