//! Notifications in a playbook: what is read, and what is said about slips.

use kairos_engine::playbook::{Channel, Condition, PushMessage, ReachTest, Step, Urgency, WebPushSettings};
use kairos_engine::time::Span;
use kairos_playbook::compile;

use super::problems::Files;
use super::with;

const MESSAGE: &str = "
locales:
  en:
    email: {subject: Hi, text: Hi}
    sms: {text: Hi}
    web_push:
      title: \"{{ product.name | default: 'Your cart' }}\"
      body: It is still there.
      image: '{{ product.image_url }}'
      icon: https://shop.example/icon.png
      url: https://shop.example/cart
      urgency: very-low
      ttl: 30m
      topic: cart
";

/// The small playbook with notifications, and this changed.
fn web_push(from: &str, to: &str) -> Files {
    let mut files = with("channels.yaml", "\nsms:", "\nweb_push: {contact: mailto:web@shop.example}\nsms:");
    files.insert("messages/hi.yaml".into(), MESSAGE.into());
    if !from.is_empty() {
        let mut found = false;
        for text in files.values_mut() {
            found |= text.contains(from);
            *text = text.replace(from, to);
        }
        assert!(found, "{from}");
    }
    files
}

#[test]
fn notifications_are_set_up_and_written() {
    let playbook = compile(&web_push("channels: [email, sms]", "channels: [web_push, email]")).unwrap().playbook;
    let contact = "mailto:web@shop.example".to_owned();
    assert_eq!(playbook.channels.web_push, Some(WebPushSettings { contact }));
    let expected = PushMessage {
        title: "{{ product.name | default: 'Your cart' }}".into(),
        body: "It is still there.".into(),
        image: Some("{{ product.image_url }}".into()),
        icon: Some("https://shop.example/icon.png".into()),
        url: Some("https://shop.example/cart".into()),
        urgency: Urgency::VeryLow,
        ttl: Some(Span::from_mins(30)),
        topic: Some("cart".into()),
    };
    assert_eq!(playbook.messages["hi"].localized(None).unwrap().web_push, Some(expected));
    let [Step::Send { channels, .. }] = playbook.plays[0].steps.as_slice() else { panic!("one step") };
    assert_eq!(channels, &[Channel::WebPush, Channel::Email]);
    let asked = compile(&web_push("\nvalid_for", "\nwho: {reachable: web_push}\nvalid_for")).unwrap().playbook;
    assert_eq!(asked.plays[0].who, Condition::Reachable(ReachTest::By(Channel::WebPush)));
    let page = web_push("contact: mailto:web@shop.example", "contact: \"https://shop.example/contact\"");
    assert!(compile(&page).is_ok());
}

#[test]
fn notifications_of_the_app_are_set_up_and_written() {
    let arn = "arn:aws:sns:eu-central-1:123456789012:app/GCM/shop";
    let settings = format!("{{fcm: \"{arn}\"}}");
    let app = |settings: &str| {
        let mut files = with("channels.yaml", "\nsms:", &format!("\nmobile_push: {settings}\nsms:"));
        let message =
            MESSAGE.replace("web_push:", "mobile_push:").replace("      icon: https://shop.example/icon.png\n", "");
        files.insert("messages/hi.yaml".into(), message);
        files
    };
    let mut files = app(&settings);
    let play = files["plays/hello.yaml"].replace("channels: [email, sms]", "channels: [mobile_push, email]");
    files.insert("plays/hello.yaml".into(), play);
    let playbook = compile(&files).unwrap().playbook;
    assert_eq!(playbook.channels.mobile_push.unwrap().fcm.as_deref(), Some(arn));
    let message = playbook.messages["hi"].localized(None).unwrap().mobile_push.clone().unwrap();
    assert_eq!((message.body.as_str(), message.icon), ("It is still there.", None));
    for (settings, said) in [
        ("{}", "`mobile_push` is empty"),
        ("{gcm: x}", "`mobile_push` has no `gcm`"),
        ("{fcm: shop}", "`shop` is no platform application of this kind"),
        ("{apns: \"arn:aws:sns:eu-central-1:123456789012:app/GCM/shop\"}", "is no platform application of this kind"),
        ("{fcm: \"arn:aws:sns:eu-central-1:123456789012:app/GCM/a*b\"}", "is no platform application of this kind"),
    ] {
        let found = compile(&app(settings)).map(|_| ()).unwrap_err();
        assert!(found.iter().any(|one| one.message.contains(said) && one.help.is_some()), "{settings}: {found:#?}");
    }
    let mut files = app(&settings);
    files.insert("messages/hi.yaml".into(), MESSAGE.replace("web_push:", "mobile_push:"));
    let found = compile(&files).map(|_| ()).unwrap_err();
    assert!(found.iter().any(|one| one.message.contains("`mobile_push` has no `icon`")), "{found:#?}");
}

#[test]
fn slips_about_notifications_say_what_to_write_instead() {
    let body = format!("body: {}", "a".repeat(301));
    let title = format!("title: {}", "a".repeat(101));
    let topic = format!("topic: {}", "a".repeat(33));
    for (from, to, said) in [
        ("{contact: mailto:web@shop.example}", "{}", "`web_push` is empty"),
        ("mailto:web@shop.example", "web@shop.example", "`web@shop.example` is no contact"),
        ("mailto:web@shop.example", "mailto:web", "`mailto:web` is no contact"),
        ("mailto:web@shop.example", "http://shop.example", "`http://shop.example` is no contact"),
        ("contact: mailto", "vapid: mailto", "`web_push` has no `vapid`"),
        ("      body: It is still there.\n", "", "`web_push` needs `body`"),
        ("body: It is still there.", &body, "the body of the notification is 301 long"),
        ("title: \"{{ product.name | default: 'Your cart' }}\"", &title, "the title of the notification is 101 long"),
        ("{{ product.image_url }}", "{{ product.picture }}", "picture"),
        ("url: https://shop.example/cart", "url: /cart", "this is not a link"),
        ("urgency: very-low", "urgency: urgent", "`urgent`"),
        ("ttl: 30m", "ttl: soon", "`soon`"),
        ("topic: cart", "topic: my cart", "`my cart` cannot be a topic"),
        ("topic: cart", &topic, "cannot be a topic"),
        ("channels: [email, sms]", "channels: [webpush, sms]", "`webpush`"),
    ] {
        let found = compile(&web_push(from, to)).map(|_| ()).unwrap_err();
        assert!(found.iter().any(|one| one.message.contains(said) && one.help.is_some()), "{to}: {found:#?}");
    }
}
