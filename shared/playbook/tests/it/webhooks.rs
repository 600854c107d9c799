//! Webhooks in a playbook: what is read, and what is said about slips.

use kairos_engine::playbook::{WebhookHeader, WebhookTemplate};
use kairos_playbook::compile;

use super::problems::Files;
use super::with;

const WEBHOOKS: &str = "
webhooks:
  chatbot:
    url: https://bot.example/messages
    headers:
      Authorization: {secret: chatbot-token, prefix: 'Bearer '}
      X-Shop: de
  crm: {url: https://crm.example/kairos}
sms:";

const MESSAGE: &str = "
locales:
  en:
    email: {subject: Hi, text: Hi}
    sms: {text: Hi}
    webhook:
      to: chatbot
      body: '{\"to\": {{ user.id }}, \"text\": \"Hi {{ user.first_name }}\"}'
";

/// The small playbook with webhooks, and this changed.
fn webhooks(from: &str, to: &str) -> Files {
    let mut files = with("channels.yaml", "\nsms:", WEBHOOKS);
    files.insert("messages/hi.yaml".into(), MESSAGE.into());
    let mut found = from.is_empty();
    for text in files.values_mut().filter(|_| !from.is_empty()) {
        found |= text.contains(from);
        *text = text.replace(from, to);
    }
    assert!(found, "{from}");
    files
}

#[test]
fn webhooks_are_set_up_and_written() {
    let playbook = compile(&webhooks("channels: [email, sms]", "channels: [webhook, email]")).unwrap().playbook;
    let (_, chatbot) = playbook.channels.webhook(Some("chatbot")).unwrap();
    assert_eq!(chatbot.url, "https://bot.example/messages");
    let token = WebhookHeader::Secret { secret: "chatbot-token".into(), prefix: "Bearer ".into() };
    assert_eq!(chatbot.headers["Authorization"], token);
    assert_eq!(chatbot.headers["X-Shop"], WebhookHeader::Text("de".into()));
    let message = playbook.messages["hi"].localized(None).unwrap().webhook.clone().unwrap();
    let body = r#"{"to": {{ user.id }}, "text": "Hi {{ user.first_name }}"}"#;
    let expected = WebhookTemplate { to: Some("chatbot".into()), text: String::new(), body: Some(body.into()) };
    assert_eq!(message, expected);
    // The only one needs no name.
    let mut files = webhooks("      to: chatbot\n", "");
    let channels = files["channels.yaml"].replace("  crm: {url: https://crm.example/kairos}\n", "");
    files.insert("channels.yaml".into(), channels);
    assert!(compile(&files).is_ok());
}

#[test]
fn a_secret_in_the_file_is_noticed() {
    for (header, is_noticed) in [("X-Api-Key: abc", true), ("X-Auth-Token: abc", true), ("X-Region: eu", false)] {
        let loaded = compile(&webhooks("X-Shop: de", header)).unwrap();
        let said = |one: &kairos_playbook::Diagnostic| one.message.contains("looks like a secret");
        assert_eq!(loaded.warnings.iter().any(said), is_noticed, "{header}");
    }
}

#[test]
fn slips_about_webhooks_say_what_to_write_instead() {
    let message = "      to: chatbot\n      body: '{\"to\": {{ user.id }}, \"text\": \"Hi {{ user.first_name }}\"}'\n";
    let mut missing = Vec::new();
    for (from, to, said) in [
        ("\nwebhooks:", "\nwebhook:", "channels.yaml has no `webhook`"),
        ("https://bot.example", "http://bot.example", "cannot receive webhooks"),
        ("  crm: {url: https://crm.example/kairos}", "  crm: {}", "a webhook is empty"),
        (
            "  crm: {url: https://crm.example/kairos}",
            "  url: https://crm.example/kairos",
            "a webhook is a group of keys, not a text",
        ),
        ("  crm:", "  My CRM:", "`My CRM` cannot be the name of a webhook"),
        ("X-Shop: de", "'X Shop': de", "`X Shop` cannot be the name of a header"),
        ("X-Shop: de", "\"X-Shop\\r\\nX-Other\": de", "cannot be the name of a header"),
        ("X-Shop: de", "X-Shop: \"de\\r\\nX-Other: 1\"", "`X-Shop` cannot stand in a header"),
        ("X-Shop: de", "X-Shop: größe", "`X-Shop` cannot stand in a header"),
        ("X-Shop: de", "Host: other.example", "the header `Host` cannot be set here"),
        ("X-Shop: de", "content-length: '0'", "the header `content-length` cannot be set here"),
        ("X-Shop: de", "Webhook-Signature: v1,x", "the header `Webhook-Signature` cannot be set here"),
        ("X-Shop: de", "authorization: de", "the header `authorization` stands here twice"),
        ("chatbot-token", "../other", "this cannot be the name of a secret"),
        ("prefix: 'Bearer '", "prefix: \"Bearer\\n\"", "`prefix` cannot stand in a header"),
        ("to: chatbot", "to: chatbt", "there is no webhook `chatbt`"),
        ("      to: chatbot\n", "", "it is not said which webhook this goes to"),
        (message, "      to: chatbot\n", "`webhook` needs `text`"),
        (message, "      to: crm\n      text: Hi\n      body: '{}'\n", "`text` and `body` stand side by side"),
        (message, "      to: crm\n      body: 'Hi'\n", "this is no JSON"),
        (message, "      to: crm\n      body: '{\"a\": {{ user.nam }}}'\n", "user"),
    ] {
        let found = compile(&webhooks(from, to)).map(|_| ()).unwrap_err();
        if !found.iter().any(|one| one.message.contains(said) && one.help.is_some()) {
            missing.push((said, found));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
