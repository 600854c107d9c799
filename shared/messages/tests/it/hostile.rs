use super::{data, email, html, sms, text};
use kairos_engine::mailbox::MessageData;
use kairos_messages::{RenderError, RenderedMessage, SmsEncoding};
use proptest::prelude::*;

fn named(name: &str) -> MessageData {
    let mut data = data();
    data.cart.items[0].name = Some(name.into());
    data
}

/// The tags with their attributes' names, and where comments are.
fn markup(page: &str) -> Vec<String> {
    let mut emitter = html5gum::emitters::default::DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let tokens = html5gum::Tokenizer::new_with_emitter(page, emitter).map(|token| match token.unwrap() {
        html5gum::Token::StartTag(tag) => format!("{:?} {:?}", tag.name, tag.attributes.keys().collect::<Vec<_>>()),
        html5gum::Token::EndTag(tag) => format!("/{:?}", tag.name),
        html5gum::Token::Comment(_) => "comment".into(),
        _ => String::new(),
    });
    tokens.filter(|token| !token.is_empty()).collect()
}

#[test]
fn data_never_becomes_markup() {
    for (name, expected) in [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("\"><img src=x onerror=alert(1)>", "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;"),
        ("' onmouseover='x", "&#39; onmouseover=&#39;x"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("{{ user.id }}{% raw %}", "{{ user.id }}{% raw %}"),
        ("a\r\nb\u{0}\u{1b}[31m\u{2028}c", "a  b[31m c"),
        ("\u{202e}gpj.exe\u{2066}", "gpj.exe"),
        ("ספל כחול", "ספל כחול"),
    ] {
        let page = html("<p title=\"{{ cart.items[0].name }}\">{{ cart.items[0].name }}</p>", &named(name)).unwrap();
        assert_eq!(page, format!("<p title=\"{expected}\">{expected}</p>"), "{name:?}");
    }
}

#[test]
fn every_way_through_a_filter_or_a_variable_is_escaped_too() {
    let data = named("<b>&");
    for (template, expected) in [
        ("{{ cart.items[0].name | upcase }}", "&lt;B&gt;&amp;"),
        ("{% assign x = cart.items[0].name | append: '<i>' %}{{ x }}", "&lt;b&gt;&amp;&lt;i&gt;"),
        ("{{ user.last_name | default: cart.items[0].name }}", "&lt;b&gt;&amp;"),
        ("{{ '&lt;script&gt;' | replace: '&lt;', '<' }}", "&lt;script&amp;gt;"),
    ] {
        assert_eq!(html(template, &data).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn only_web_links_become_links() {
    let template = "<a href=\"{{ cart.items[0].url }}\"><a href='{{ user.first_name }}'>";
    for (link, shown) in [
        ("https://shop.example/?a=1&b=\"2", "https://shop.example/?a=1&amp;b=&quot;2"),
        ("javascript:alert(1)", ""),
        (" javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("//evil.example", ""),
    ] {
        let mut data = data();
        data.cart.items[0].url = Some(link.into());
        data.user.first_name = Some(link.into());
        assert_eq!(html(template, &data).unwrap(), format!("<a href=\"{shown}\"><a href='{shown}'>"), "{link}");
        if shown.is_empty() {
            assert_eq!(text("{{ cart.items[0].url }}", &data).unwrap(), "");
        }
    }
}

#[test]
fn a_subject_is_one_line_whatever_the_data_says() {
    let (subject, body, _) = email(
        "Your {{ cart.items[0].name }}\nwaits",
        "You left:\r\n{{ cart.items[0].name }}",
        "x",
        &named("mug\r\nBcc: everyone@shop.example\u{85}x"),
    )
    .unwrap();
    assert_eq!(subject, "Your mug Bcc: everyone@shop.example x waits");
    assert_eq!(body, "You left:\nmug  Bcc: everyone@shop.example x");
}

#[test]
fn a_name_of_ten_kilobytes_is_shown_or_refused_but_never_cut_silently() {
    let data = named(&"ж".repeat(5_000));
    assert_eq!(sms("{{ cart.items[0].name }}", &data), Err(RenderError::SmsTooLong { units: 5_000 }));
    let RenderedMessage::Sms { text, encoding, segments } =
        sms("{{ cart.items[0].name | truncate: 40 }} waits", &data).unwrap()
    else {
        panic!("an SMS")
    };
    assert_eq!((text.chars().count(), encoding, segments), (46, SmsEncoding::Ucs2, 1));
    assert_eq!(html("{{ cart.items[0].name }}", &data).unwrap().len(), 10_000);
}

#[test]
fn a_message_that_comes_out_empty_is_not_sent() {
    let nobody = MessageData::default();
    assert_eq!(sms(" {{ user.first_name }}\n", &nobody), Err(RenderError::Empty { part: "SMS" }));
    assert_eq!(email("{{ user.id }}", "x", "x", &nobody), Err(RenderError::Empty { part: "subject" }));
    assert_eq!(email("x", "{{ user.id }}", "x", &nobody), Err(RenderError::Empty { part: "text part" }));
    assert_eq!(text("{{ user.id }}", &nobody).as_deref(), Ok(""));
}

proptest! {
    #[test]
    fn no_text_of_a_template_makes_it_panic(template in ".{0,200}") {
        let _ = text(&template, &data());
        let _ = html(&template, &data());
    }

    #[test]
    fn no_jumble_of_liquid_makes_it_panic(parts in prop::collection::vec(prop::sample::select(vec![
        "{{", "}}", "{%", "%}", "-", " if ", " endif ", " for ", " in ", " endfor ", " else ", " case ", " when ",
        " endcase ", " assign ", "=", "==", "user", ".", "first_name", "cart", "items", "[", "]", "(", ")", "..",
        "1", "99999999999999999999", "0.0000001", "|", "append", ":", "'", "\"", ",", "money", "truncate", "raw",
        "endraw", "comment", "event", "product.price", "é", "\n", "break", "continue", "<a href=", "<", ">", "<!--", "and", "x",
    ]), 0..40)) {
        let template = parts.concat();
        let _ = text(&template, &data());
        let _ = html(&template, &data());
    }

    /// What a browser's tokeniser sees does not depend on the data, in any template that is not refused.
    #[test]
    fn no_accepted_template_lets_data_change_its_markup(parts in prop::collection::vec(prop::sample::select(vec![
        "<p>", "<a href=", "<b title=", "<i x", "\"", "'", "=", ">", " ", "/", "<", "</", "</p>", "</a ", "<!--", "-->", "--",
        "!", "?", "<!x ", "<style>", "</style>", "<title>", "</title>", "</ti", "tle>", "https://", "<br/>", "x", "&", "]",
        "{{ cart.items[0].name }}", "{{ cart.items[0].name }}", "{% if user.id %}", "{% if user.last_name %}", "{% else %}",
        "{% endif %}", "{% comment %}c{% endcomment %}", "{% raw %}r{% endraw %}", "{% for i in (1..2) %}", "{% endfor %}",
    ]), 0..14)) {
        let template = parts.concat();
        let shape = |name: &str| html(&template, &named(name)).ok().map(|page| markup(&page));
        let plain = shape("x");
        for name in ["\"><b c='d'>", "'><b c=\"d\">", " onload=x ", "--><b>", "</style></title><b>", "a=b/>", "`/x>"] {
            prop_assert_eq!(&shape(name), &plain, "{} with {}", template, name);
        }
    }

    #[test]
    fn no_data_gets_out_of_its_place(name in "[<>&\"'\\PC\\x00-\\x7f]{0,40}") {
        let page = html(
            "<a href=\"{{ cart.items[0].name }}\" title='{{ cart.items[0].name }}'>{{ cart.items[0].name }}</a>",
            &named(&name),
        ).unwrap();
        prop_assert_eq!(page.matches('<').count(), 2);
        prop_assert_eq!(page.matches('>').count(), 2);
        prop_assert_eq!(page.matches('"').count(), 2);
        prop_assert_eq!(page.matches('\'').count(), 2);
        prop_assert!(!page.chars().any(char::is_control));
    }
}
