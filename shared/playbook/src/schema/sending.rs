//! The schemas of what sends: `channels.yaml`, how each channel introduces itself, and messages, what they say on it.

use kairos_engine::bounds::{
    ON_SITE_SLOT_CHARS_MAX, WEB_PUSH_CONTACT_BYTES_MAX, WEB_PUSH_TOPIC_CHARS_MAX, WEBHOOK_HEADER_BYTES_MAX,
    WEBHOOK_HEADER_NAME_BYTES_MAX,
};
use kairos_engine::playbook::{MobilePlatform, OnSiteKind, OnSitePosition, Purpose, SmsProvider, Urgency};
use serde_json::{Value, json};

use super::parts::{
    LOCALE, NAME, any_of, flag, group, name, named, one_or_more, or_nothing, part, text, with_at_least, with_one_of,
    words,
};
use crate::messages::NEEDS;

pub(super) fn channels() -> Value {
    let nothing = json!({ "type": "null" });
    let sender_id = json!({ "type": "string", "pattern": "^(?=.*[A-Za-z])[A-Za-z0-9]{1,11}$" });
    let providers: Vec<&str> = SmsProvider::ALL.into_iter().map(|(name, _)| name).collect();
    let identity = json!({ "type": "string", "pattern": "^[A-Za-z0-9_:/+-]{1,256}$" });
    let price = json!({ "type": ["string", "number"], "pattern": r"^[0-9]{1,2}(\.[0-9]{1,5})?$" });
    let sms = group(
        &[],
        vec![
            ("sender_id", sender_id, "Shown on the phone, where the country allows one"),
            ("provider", json!({ "enum": providers }), "Which service sends first; `sns` without it"),
            ("fallback", json!({ "enum": providers }), "Sends what the first one could not take"),
            ("origination_identity", identity.clone(), "The number, sender id or pool that it comes from"),
            ("configuration_set", identity, "Of AWS End User Messaging: receipts come back by it"),
            ("max_price", price, "US dollars that an SMS may cost at most, all segments together"),
        ],
    );
    let url = json!({ "type": "string", "pattern": "^(https://[^/?#:@\\s][^@\\s]*|http://(localhost|127\\.0\\.0\\.1)([/?#:][^@\\s]*)?)$" });
    let header = json!({ "type": "string", "pattern": "^[ -~]*[!-~][ -~]*$", "maxLength": WEBHOOK_HEADER_BYTES_MAX });
    let secret =
        json!({ "type": "string", "pattern": format!("^[A-Za-z0-9_-]{{1,{WEBHOOK_HEADER_NAME_BYTES_MAX}}}$") });
    let secret = group(
        &["secret"],
        vec![
            ("secret", secret, "A secret's name in Secrets Manager, behind STACK/webhook/"),
            ("prefix", header.clone(), "What stands before it: \"Bearer \""),
        ],
    );
    let header_name = format!("^[!#$%&'*+.^_`|~0-9A-Za-z-]{{1,{WEBHOOK_HEADER_NAME_BYTES_MAX}}}$");
    let webhook = group(
        &["url"],
        vec![
            ("url", url, "Where it is"),
            ("headers", named(&header_name, any_of(vec![header, secret])), "Headers of each request, by their names"),
        ],
    );
    let telegram = group(&[], vec![("silent", flag(), "Messages come without a sound")]);
    let sender = json!({ "type": "string", "pattern": "\\S", "maxLength": 28 });
    let avatar = json!({ "type": "string", "pattern": "^https://\\S+$" });
    let viber = group(
        &["sender"],
        vec![("sender", sender, "The name above messages"), ("avatar", avatar, "The link of the picture beside it")],
    );
    let id = json!({ "type": "string", "pattern": "^[0-9]{1,20}$" });
    let version = json!({ "type": "string", "pattern": "^v[0-9]{1,3}\\.[0-9]{1,3}$" });
    let whatsapp = group(
        &["phone_number_id"],
        vec![
            ("phone_number_id", id, "The id that Meta shows beside the number"),
            ("api_version", version, "The version of the Graph API: v25.0"),
        ],
    );
    let verify = "Messages of a known user are only given to who proves to be that user; true without it";
    let on_site = group(&[], vec![("verify_identity", flag(), verify)]);
    let contact = json!({
        "type": "string",
        "pattern": "^(mailto:[^@\\s]+@[^@\\s.][^@\\s]*\\.[^@\\s]+|https://[^/@\\s]+\\.[^@\\s]+)$",
        "maxLength": WEB_PUSH_CONTACT_BYTES_MAX,
    });
    let contact = ("contact", contact, "Whom push services can ask: mailto:web@shop.example");
    let web_push = group(&["contact"], vec![contact]);
    let application = |platform: MobilePlatform| {
        let pattern = format!("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{{12}}:app/{}/[A-Za-z0-9_.-]+$", platform.key());
        json!({ "type": "string", "pattern": pattern })
    };
    let applications = MobilePlatform::ALL
        .map(|(name, platform)| (name, application(platform), "The ARN of the platform application"));
    let mobile_push = with_at_least(1, group(&[], applications.to_vec()));
    let keys = vec![
        (
            "email",
            group(
                &["from"],
                vec![
                    ("from", address(), "The sender: Shop <hello@shop.example>"),
                    ("reply_to", address(), "Where answers go, when not to the sender"),
                ],
            ),
            "Email",
        ),
        ("sms", any_of(vec![nothing.clone(), sms]), "SMS"),
        ("webhooks", named(NAME, webhook), "Addresses that get a signed request for each message"),
        ("telegram", any_of(vec![nothing.clone(), telegram]), "The Telegram bot; its token is a secret"),
        ("viber", viber, "The Viber bot; its token is a secret"),
        ("whatsapp", whatsapp, "The WhatsApp number; its token is a secret"),
        ("on_site", any_of(vec![nothing, on_site]), "Messages on the shop's pages and in its app"),
        ("web_push", web_push, "Notifications in browsers"),
        ("mobile_push", mobile_push, "Notifications of the shop's app, by SNS"),
    ];
    or_nothing(group(&[], keys))
}

fn address() -> Value {
    json!({ "type": "string", "pattern": "^[^@]*[^@\\s<>]+@[^@\\s<>]+\\.[^@\\s<>]+>?$" })
}

pub(super) fn message() -> Value {
    let only_text = || group(&["text"], vec![("text", text(), "The text, a Liquid template")]);
    let email = group(
        &["subject"],
        vec![
            ("subject", text(), "One line, a Liquid template"),
            ("preheader", text(), "What mail programs show beside the subject, a Liquid template"),
            ("text", text(), "The text part, a Liquid template; made from the HTML without it"),
            ("html", text(), "The HTML part, a Liquid template"),
            (
                "html_file",
                json!({ "type": "string", "pattern": "\\.liquid$" }),
                "The file beside this one with the HTML part",
            ),
            ("mjml", text(), "The HTML part, written in MJML with Liquid"),
            ("mjml_file", json!({ "type": "string", "pattern": "\\.mjml$" }), "The file beside this one with the MJML"),
        ],
    );
    let button = || {
        group(
            &["text", "link"],
            vec![
                ("text", text(), "What stands on it, a Liquid template"),
                ("link", text(), "What it opens, a Liquid template"),
            ],
        )
    };
    let chat = || {
        group(
            &["text"],
            vec![
                ("text", text(), "The text, a Liquid template; for Telegram in its HTML"),
                ("picture", text(), "The link of a picture, a Liquid template"),
                ("button", button(), "A button that opens a link"),
            ],
        )
    };
    let template = json!({ "type": "string", "pattern": "^[a-z0-9_]{1,512}$" });
    let language = json!({ "type": "string", "pattern": "^[A-Za-z]{2,3}(_[A-Za-z]{2,4})?$" });
    let whatsapp = group(
        &["template", "language"],
        vec![
            ("template", template, "The name of the template that Meta has approved"),
            ("language", language, "Its language, as Meta writes it: en_US"),
            ("parameters", one_or_more(text()), "What fills the gaps of its body: Liquid templates of one line"),
            ("picture", text(), "The link of the picture of its header, a Liquid template"),
        ],
    );
    let webhook = with_one_of(
        group(
            &[],
            vec![
                ("to", name(), "The webhook of channels.yaml; without it, the only one"),
                ("text", text(), "The text of the usual envelope, a Liquid template"),
                ("body", text(), "The whole body instead of the envelope: JSON, a Liquid template"),
            ],
        ),
        &["text", "body"],
    );
    let slot = format!("^[A-Za-z0-9_-]{{1,{ON_SITE_SLOT_CHARS_MAX}}}$");
    let on_site = group(
        &["kind", "text"],
        vec![
            ("kind", words(&OnSiteKind::ALL.map(|(name, _)| name)), "How it stands on the page"),
            ("title", text(), "Its heading, a Liquid template"),
            ("text", text(), "The text, a Liquid template"),
            ("picture", text(), "The link of a picture, a Liquid template"),
            ("button", button(), "A button that opens a link"),
            (
                "position",
                words(&OnSitePosition::ALL.map(|(name, _)| name)),
                "Where a banner stands; at the bottom without it",
            ),
            (
                "slot",
                json!({ "type": "string", "pattern": slot }),
                "Where an embedded message stands: the page's data-kairos-slot",
            ),
            ("dismissible", flag(), "Whether it can be closed; true without it"),
            ("close", text(), "What the button that closes it is called, a Liquid template"),
        ],
    );
    let topic = format!("^[A-Za-z0-9_-]{{1,{WEB_PUSH_TOPIC_CHARS_MAX}}}$");
    let push = |more: Vec<(&'static str, Value, &'static str)>| {
        let mut keys = vec![
            ("title", text(), "Its first line, a Liquid template"),
            ("body", text(), "The text below it, a Liquid template"),
            ("image", text(), "The link of a large picture, a Liquid template"),
            ("url", text(), "What a click opens, a Liquid template"),
            ("urgency", words(&Urgency::ALL.map(|(name, _)| name)), "How much it may disturb; normal without it"),
            ("ttl", part("span"), "How long it waits for a device that is off; the play's valid_for at most"),
            (
                "topic",
                json!({ "type": "string", "pattern": topic }),
                "Replaces what is waiting or shown of the same topic; the play's own without it",
            ),
        ];
        keys.extend(more);
        group(&["title", "body"], keys)
    };
    let web_push = push(vec![("icon", text(), "The link of a small picture beside the text, a Liquid template")]);
    let mobile_push = push(Vec::new());
    let channels = group(
        &[],
        vec![
            ("email", email, "As an email"),
            ("sms", only_text(), "As an SMS"),
            ("webhook", webhook, "As a request to a webhook"),
            ("telegram", chat(), "As a message of the Telegram bot"),
            ("viber", chat(), "As a message of the Viber bot"),
            ("whatsapp", whatsapp, "As a WhatsApp message"),
            ("on_site", on_site, "As a message on the shop's pages and in its app"),
            ("web_push", web_push, "As a notification in browsers"),
            ("mobile_push", mobile_push, "As a notification of the shop's app"),
        ],
    );
    group(
        &["locales"],
        vec![
            (
                "default_locale",
                json!({ "type": "string", "pattern": LOCALE }),
                "The language for everybody whose own is not here",
            ),
            ("locales", named(LOCALE, channels), "The texts by language"),
            ("needs", words(&NEEDS.map(|(name, _)| name)), "Without any products to show, nobody gets it"),
            ("promotion", name(), "The promotion of which each of these messages gives a code: {{ promo_code.code }}"),
            ("purpose", words(&Purpose::ALL.map(|(name, _)| name)), "What it is for; marketing without it"),
        ],
    )
}
