//! Bodies of webhooks: whatever values say, JSON stays the JSON that the template means.

use kairos_engine::mailbox::{MessageData, PersonData};
use kairos_engine::playbook::{Channel, LocalizedMessage, TraitValue, WebhookTemplate};
use kairos_messages::{
    Found, Link, Links, RenderError, RenderedMessage, Setting, TemplateKind, check_template, render, render_linked,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{data, looking};

fn with_body(template: &str) -> LocalizedMessage {
    let webhook =
        WebhookTemplate { to: Some("chatbot".into()), body: Some(template.into()), ..WebhookTemplate::default() };
    LocalizedMessage { webhook: Some(webhook), ..LocalizedMessage::default() }
}

fn body(template: &str, data: &MessageData) -> Result<String, RenderError> {
    match render(&with_body(template), Channel::Webhook, data)? {
        RenderedMessage::Webhook { to, text, body } => {
            assert_eq!((to.as_deref(), text.as_str()), (Some("chatbot"), ""));
            Ok(body.unwrap())
        }
        other => panic!("{other:?}"),
    }
}

fn read(template: &str, data: &MessageData) -> Value {
    let body = body(template, data).unwrap();
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn named(first_name: &str) -> MessageData {
    let user = PersonData { first_name: Some(first_name.into()), ..data().user };
    MessageData { user, event: [("query".to_owned(), TraitValue::Text(first_name.to_owned()))].into(), ..data() }
}

#[test]
fn values_in_quotes_are_text_and_others_are_what_they_are() {
    for (template, expected) in [
        (r#"{"name": "Dear {{ user.first_name }}!"}"#, json!({"name": "Dear Ann!"})),
        (r#"{"name": {{ user.first_name }}}"#, json!({"name": "Ann"})),
        (r#"{"last": {{ user.last_name }}}"#, json!({"last": null})),
        (r#"{"total": {{ cart.total }}, "count": {{ cart.items.size }}}"#, json!({"total": 71.58, "count": 2})),
        (r#"{"at": {{ event.position }}, "member": {{ event.member }}}"#, json!({"at": 3, "member": true})),
        (r#"{"id": {{ user.id }}}"#, json!({"id": "u1"})),
        // A text stays one that looks like a number.
        (r#"{"digits": {{ '42' }}}"#, json!({"digits": "42"})),
        (
            r#"[{% for item in cart.items %}"{{ item.id }}"{% unless forloop.last %},{% endunless %}{% endfor %}]"#,
            json!(["mug-1", "tea"]),
        ),
        (r#"{"a": "{% if user.last_name %}{{ user.last_name }}{% else %}nobody{% endif %}"}"#, json!({"a": "nobody"})),
        (r#"{"quote": "a \"b\" {{ user.first_name }} \\"}"#, json!({"quote": "a \"b\" Ann \\"})),
    ] {
        let id = looking().cart.items[0].id.clone();
        let expected: Value = serde_json::from_str(&expected.to_string().replace("mug-1", &id)).unwrap();
        let template = template.replace("\"mug-1\"", &format!("{id:?}"));
        assert_eq!(check_template(&template, TemplateKind::Json, &Setting::default()), Ok(()), "{template}");
        let found = read(&template, &looking());
        let as_number = |value: &Value| value.as_f64();
        for (key, value) in expected.as_object().into_iter().flatten() {
            assert!(
                found[key] == *value || as_number(&found[key]).is_some_and(|number| Some(number) == value.as_f64()),
                "{template}: {found}"
            );
        }
        if expected.is_array() {
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn no_value_can_end_a_text_or_add_a_field() {
    for hostile in [
        r#"", "admin": true, "x": ""#,
        r#"\", "admin": true, "x": ""#,
        "\\",
        "\"",
        "a\nb\u{0}\u{1f}",
        "}]}",
        "{{ user.id }}",
        "null",
        "true, \"admin\": true",
        "1e999",
        "\u{202e}\u{2028}",
    ] {
        let template = r#"{"quoted": "{{ user.first_name }}", "bare": {{ event.query }}}"#;
        let found = read(template, &named(hostile));
        let keys: Vec<&String> = found.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["bare", "quoted"], "{hostile}");
        assert!(found["quoted"].is_string() && (found["bare"].is_string() || found["bare"].is_null()), "{found}");
    }
}

#[test]
fn what_is_no_json_is_told_with_its_reason() {
    for (template, said) in [
        ("hello", "this is no JSON"),
        (r#"{"a": hello}"#, "this is no JSON"),
        (r#"{"a": "b" "c": "d"}"#, "this is no JSON"),
        (r#"{"a": "{{ user.first_name }}}"#, "the JSON ends inside of a text"),
        ("{\"a\": \"b\nc\"}", "a text of JSON has no line breaks or tabs in it"),
        (r#"{"a": "\{{ user.first_name }}"}"#, "a value cannot stand behind a backslash"),
        (r#"{"a": {% if user.id %}"b{% endif %}"}"#, "this block ends in another place of the JSON than it began"),
        (r#"{"a": {% if user.id %}"b{% else %}c{% endif %}"}"#, "this block ends in another place of the JSON"),
        // Only with a cart.
        (r#"{"a": [{% for item in cart.items %}"{{ item.id }}"{% endfor %}]}"#, "this is no JSON"),
        ("", "this is no JSON"),
    ] {
        let problems = check_template(template, TemplateKind::Json, &Setting::default()).unwrap_err();
        assert!(problems[0].message.contains(said) && problems[0].help.is_some(), "{template}: {problems:?}");
    }
    // What only other data shows is refused when it is sent, without a word of the data.
    let template = r#"{"a": {% if user.first_name == 'Eve' %}hello{% else %}1{% endif %}}"#;
    assert_eq!(check_template(template, TemplateKind::Json, &Setting::default()), Ok(()));
    let error = body(template, &named("Eve")).unwrap_err();
    assert!(matches!(error, RenderError::NotJson { .. }) && !error.to_string().contains("Eve"), "{error}");
}

struct Short;

impl Links for Short {
    fn page(&self, _: &str) -> Option<String> {
        None
    }

    fn instead(&self, link: &Link) -> Option<String> {
        match link {
            Link::Page(page) => Some(format!("https://go.example/{}", page.len())),
            Link::Named(_) => None,
        }
    }

    fn pixel(&self) -> Option<String> {
        None
    }
}

#[test]
fn links_in_texts_are_counted_and_everything_else_stays_as_it_was_written() {
    let template = r#"{ "b": 1.50, "text": "See https://shop.example/mug\nnow \u00e9", "a": ["http:\/\/shop.example/"], "b": 12345678901234567890123 }"#;
    let message = with_body(template);
    let rendered = render_linked(&message, Channel::Webhook, &data(), &Found::default(), &Short).unwrap();
    let RenderedMessage::Webhook { body: Some(body), .. } = rendered else { panic!("{rendered:?}") };
    let expected = r#"{ "b": 1.50, "text": "See https://go.example/24\nnow é", "a": ["https://go.example/20"], "b": 12345678901234567890123 }"#;
    assert_eq!(body, expected);
}

proptest! {
    #[test]
    fn whatever_a_value_is_the_body_has_the_fields_of_its_template(value in ".*") {
        let found = read(r#"{"quoted": "a{{ user.first_name }}b", "bare": {{ event.query }}}"#, &named(&value));
        prop_assert_eq!(found.as_object().unwrap().len(), 2);
        prop_assert!(found["quoted"].as_str().unwrap().starts_with('a') && found["quoted"].as_str().unwrap().ends_with('b'));
    }
}
