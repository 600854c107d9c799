//! Messengers in a playbook: what is read, and what is said about slips.

use kairos_engine::playbook::{
    Channel, ChatTemplate, Condition, LinkButton, ReachTest, Step, TelegramSettings, ViberSettings, WhatsappSettings,
    WhatsappTemplate,
};
use kairos_playbook::compile;

use super::problems::Files;
use super::with;

const SETTINGS: &str = "
telegram:
viber: {sender: Shop, avatar: \"https://shop.example/logo.jpg\"}
whatsapp: {phone_number_id: \"123456789012345\"}
";

const MESSAGE: &str = "
locales:
  en:
    email: {subject: Hi, text: Hi}
    sms: {text: Hi}
    telegram:
      text: |
        <b>{{ user.first_name | default: 'Hello' }}</b>
        your {{ product.name }}
      picture: '{{ product.image_url }}'
      button: {text: To the cart, link: 'https://shop.example/cart'}
    viber: {text: Hi}
    whatsapp:
      template: abandoned_cart
      language: en_US
      parameters: [\"{{ user.first_name | default: 'there' }}\"]
      picture: \"{{ product.image_url | default: 'https://shop.example/logo.jpg' }}\"
";

/// The small playbook with messengers, and this changed.
fn messengers(from: &str, to: &str) -> Files {
    let mut files = with("channels.yaml", "\nsms:", &format!("{SETTINGS}sms:"));
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
fn messengers_are_set_up_and_written_to() {
    let files = messengers("channels: [email, sms]", "channels: [telegram, viber, whatsapp, email]");
    let files = files.into_iter().map(|(path, text)| {
        (path, text.replace("\nvalid_for", "\nwho: {any: [{reachable: telegram}, {reachable: viber}]}\nvalid_for"))
    });
    let playbook = compile(&files.collect()).unwrap().playbook;
    assert_eq!(playbook.channels.telegram, Some(TelegramSettings::default()));
    let avatar = Some("https://shop.example/logo.jpg".into());
    assert_eq!(playbook.channels.viber, Some(ViberSettings { sender: "Shop".into(), avatar }));
    let whatsapp = WhatsappSettings { phone_number_id: "123456789012345".into(), api_version: "v25.0".into() };
    assert_eq!(playbook.channels.whatsapp, Some(whatsapp));
    let message = playbook.messages["hi"].localized(None).unwrap();
    let chat = ChatTemplate {
        text: "<b>{{ user.first_name | default: 'Hello' }}</b>\nyour {{ product.name }}\n".into(),
        picture: Some("{{ product.image_url }}".into()),
        button: Some(LinkButton { text: "To the cart".into(), link: "https://shop.example/cart".into() }),
    };
    assert_eq!(message.telegram, Some(chat));
    let whatsapp = WhatsappTemplate {
        template: "abandoned_cart".into(),
        language: "en_US".into(),
        parameters: vec!["{{ user.first_name | default: 'there' }}".into()],
        picture: Some("{{ product.image_url | default: 'https://shop.example/logo.jpg' }}".into()),
    };
    assert_eq!(message.whatsapp, Some(whatsapp));
    let [play] = playbook.plays.as_slice() else { panic!("one play") };
    let by = |channel| Condition::Reachable(ReachTest::By(channel));
    assert_eq!(play.who, Condition::Any(vec![by(Channel::Telegram), by(Channel::Viber)]));
    let [Step::Send { channels, .. }] = play.steps.as_slice() else { panic!("one step") };
    assert_eq!(channels, &[Channel::Telegram, Channel::Viber, Channel::Whatsapp, Channel::Email]);
}

#[test]
fn slips_about_messengers_say_what_to_write_instead() {
    let long = "a".repeat(4_100);
    for (from, to, said) in [
        ("sender: Shop, ", "", "`viber` needs `sender`"),
        ("sender: Shop", "sender: The best shop of all in the town", "this name is too long for Viber"),
        ("https://shop.example/logo.jpg\"}", "http://shop.example\"}", "is no link of a picture"),
        ("\"123456789012345\"", "\"../me\"", "`../me` is not the id of a phone number"),
        ("\"123456789012345\"", "\"1\", api_version: \"25\"", "`25` is not a version of the Graph API"),
        ("telegram:\nviber", "telegram: {token: \"123:abc\"}\nviber", "`telegram` has no `token`"),
        ("<b>{{ user.first_name | default: 'Hello' }}</b>", "<p>Hello</p>", "it has no `<p>`"),
        ("<b>{{ user.first_name | default: 'Hello' }}</b>", "2 < 3", "`<` is no tag"),
        ("your {{ product.name }}", &long, "the text of a Telegram message with a picture is"),
        ("'{{ product.image_url }}'", "/mug.jpg", "this is not a link"),
        ("text: To the cart, ", "", "a button needs `text`"),
        ("viber: {text: Hi}", "viber: {text: Hi, button: {text: Cart, link: cart}}", "this is not a link"),
        ("template: abandoned_cart", "template: Abandoned Cart", "cannot be the name of a WhatsApp template"),
        ("language: en_US", "language: English", "`English` is not the language of a WhatsApp template"),
        (" | default: 'there'", "", "this is empty for somebody of whom nothing is known"),
        (" | default: 'https://shop.example/logo.jpg'", "", "the picture of the WhatsApp message came out empty"),
        ("there' }}\"]", "there' }}\\nand on\"]", "a gap of a WhatsApp template takes no line breaks"),
        ("viber: {text: Hi}", "vibre: {text: Hi}", "a language of a message has no `vibre`"),
    ] {
        let found = compile(&messengers(from, to)).map(|_| ()).unwrap_err();
        assert!(found.iter().any(|one| one.message.contains(said) && one.help.is_some()), "{to}: {found:#?}");
    }
}
