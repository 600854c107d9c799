//! A composed message in the parts that the terminal and the page show.

use kairos_backtest::table::thousands;
use kairos_delivery::samples::CountedLinks;
use kairos_engine::money::Micros;
use kairos_engine::playbook::{LinkButton, OnSiteKind, OnSiteMessage, OnSitePosition, PushMessage, WebhookHeader};
use kairos_messages::{SmsEncoding, sms_size};
use kairos_protocol::delivery::Content;

use super::markup::{harmless, links_in_text, plain, visible};
use kairos_backtest::page::escaped;

/// How much of a body mail programs show beside the subject, in characters: as much as the widest do.
const PREHEADER_CHARS: usize = 110;

/// How a message is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// An email, with its HTML part if there is one.
    Mail(Option<String>),
    /// A chat, an SMS: what stands in the bubble, as HTML that does nothing.
    Bubble(String),
    /// What a program reads.
    Plain,
}

/// A composed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What stands above it, by name: sender, subject, preheader, template.
    pub head: Vec<(&'static str, String)>,
    /// How it is looked at.
    pub look: Look,
    /// Its text without markup.
    pub text: String,
    /// The link of its picture.
    pub picture: Option<String>,
    /// The button below it.
    pub button: Option<LinkButton>,
    /// Where its links lead.
    pub links: Vec<String>,
    /// How large it is, in words; of an SMS with what it costs.
    pub size: String,
}

impl Shown {
    /// The parts of what was composed; `counted` are the links that would be counted, `sms_price` is that of one segment.
    pub fn of(content: Content, counted: &CountedLinks, sms_price: Option<Micros>) -> Self {
        let mut shown = Self::as_sent(content, sms_price);
        if !counted.pages.is_empty() {
            // Short links say nothing to a person: where they lead stands in their place.
            let own = format!("{}/", counted.base);
            shown.links.retain(|link| !link.starts_with(&own) && !counted.pages.contains(link));
            shown.links.splice(0..0, counted.pages.iter().cloned());
        }
        shown
    }

    fn as_sent(content: Content, sms_price: Option<Micros>) -> Self {
        match content {
            Content::Email { sender, subject, text, html, unsubscribe: _ } => {
                mail((sender.from, sender.reply_to), subject, text, html)
            }
            Content::Sms { sender, text } => {
                let head = sender.sender_id.map(|from| ("from", from)).into_iter().collect();
                Self { size: sms(&text, sms_price), ..bubble(head, text, None, None) }
            }
            Content::Webhook { name, receiver, text, body } => {
                let at = Some(receiver.url).filter(|url| !url.is_empty());
                let to = at.map(|url| ("to", format!("{name}, {url}")));
                let headers = receiver.headers.into_iter().map(|(name, header)| match header {
                    WebhookHeader::Text(text) => ("header", format!("{name}: {text}")),
                    WebhookHeader::Secret { secret, prefix } => {
                        ("header", format!("{name}: {prefix}(secret {secret})"))
                    }
                });
                let head = to.into_iter().chain(headers).collect();
                Self { look: Look::Plain, ..bubble(head, body.unwrap_or(text), None, None) }
            }
            Content::Telegram { sender, text, picture, button } => {
                let head = if sender.silent { vec![("sound", "none".to_owned())] } else { Vec::new() };
                let (look, links) = (Look::Bubble(harmless(&text)), visible(&text).links);
                let mut shown = bubble(head, plain(&text), picture, button);
                shown.links.splice(0..0, links);
                shown.links.dedup();
                Self { look, ..shown }
            }
            Content::Viber { sender, text, picture, button } => {
                let head = if sender.sender.is_empty() { Vec::new() } else { vec![("from", sender.sender)] };
                bubble(head, text, picture, button)
            }
            Content::OnSite { message, .. } => {
                let OnSiteMessage { kind, title, text, picture, button, position, slot, .. } = *message;
                let place = match kind {
                    OnSiteKind::Banner => match position {
                        OnSitePosition::Bottom => "a banner at the bottom of the page".to_owned(),
                        OnSitePosition::Top => "a banner at the top of the page".to_owned(),
                    },
                    OnSiteKind::Modal => "in the middle of the page, which waits".to_owned(),
                    OnSiteKind::Embedded => format!("in the page, at {}", slot.unwrap_or_default()),
                };
                let head = [("stands", place)].into_iter().chain(title.map(|title| ("title", title)));
                bubble(head.collect(), text, picture, button)
            }
            Content::WebPush { message, .. } | Content::MobilePush { message, .. } => {
                let PushMessage { title, body, image, icon, url, urgency, .. } = *message;
                let head = [("title", title), ("urgency", urgency.as_str().to_owned())].into_iter();
                let mut shown = bubble(head.collect(), body, image.or(icon), None);
                shown.links.extend(url);
                shown
            }
            Content::Whatsapp { template, language, parameters, picture, .. } => {
                // The words around the gaps stand with Meta.
                let size =
                    counted(parameters.iter().map(|gap| gap.chars().count()).sum(), "character") + " in its gaps";
                let gaps = parameters.iter().enumerate().map(|(number, gap)| format!("{{{{{}}}}} {gap}", number + 1));
                let head = vec![("template", format!("{template} ({language}), as Meta has it; its gaps:"))];
                Self { size, ..bubble(head, gaps.collect::<Vec<_>>().join("\n"), picture, None) }
            }
        }
    }
}

fn mail((from, reply_to): (String, Option<String>), subject: String, text: String, html: Option<String>) -> Shown {
    let seen = html.as_deref().map(visible);
    let body = seen.as_ref().map_or(text.as_str(), |seen| seen.text.as_str());
    let body = body.split_whitespace().collect::<Vec<_>>().join(" ");
    let preheader = match body.char_indices().nth(PREHEADER_CHARS) {
        Some((end, _)) => format!("{}…", body[..end].trim_end()),
        None => body,
    };
    let from = Some(from).filter(|from| !from.is_empty()).map(|from| ("from", from));
    let reply_to = reply_to.map(|reply_to| ("answers to", reply_to));
    let head = from.into_iter().chain(reply_to).chain([("subject", subject), ("preheader", preheader)]).collect();
    let size = match (&html, &seen) {
        (Some(html), Some(seen)) => {
            let pictures = match seen.pictures.len() {
                0 => "without pictures".to_owned(),
                count => format!("with {}", counted(count, "picture")),
            };
            format!("HTML of {} bytes {pictures}", thousands(html.len() as u64))
        }
        _ => "no HTML part".to_owned(),
    };
    let links = seen.map_or_else(|| links_in_text(&text), |seen| seen.links);
    Shown { head, look: Look::Mail(html), text, picture: None, button: None, links, size }
}

fn bubble(
    head: Vec<(&'static str, String)>,
    text: String,
    picture: Option<String>,
    button: Option<LinkButton>,
) -> Shown {
    let mut links = links_in_text(&text);
    links.extend(button.iter().map(|button| button.link.clone()));
    let size = counted(text.chars().count(), "character");
    Shown { head, look: Look::Bubble(escaped(&text)), text, picture, button, links, size }
}

/// Encoding, segments and cost of an SMS.
fn sms(text: &str, price: Option<Micros>) -> String {
    let size = sms_size(text);
    let (encoding, single) = match size.encoding {
        SmsEncoding::Gsm7 => ("GSM-7", 160),
        SmsEncoding::Ucs2 => ("UCS-2", 70),
    };
    let room = if size.segments == 1 { format!(" of {single}") } else { String::new() };
    let segments = counted(size.segments, "segment");
    let cost = price.map(|price| format!(", costs {}", exact(price.get() * size.segments as i64)));
    format!("{}{room} characters in {encoding}, {segments}{}", size.units, cost.unwrap_or_default())
}

/// Millionths, with as many decimals as they need and at least two.
fn exact(micros: i64) -> String {
    let decimals = format!("{:06}", micros % 1_000_000);
    let decimals = decimals.trim_end_matches('0');
    format!("{}.{decimals:0<2}", micros / 1_000_000)
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sms_tells_its_alphabet_its_segments_and_its_cost() {
        let price = Some(Micros::new(7_500));
        for (text, price, size) in [
            ("Hello".to_owned(), None, "5 of 160 characters in GSM-7, 1 segment"),
            ("a".repeat(161), price, "161 characters in GSM-7, 2 segments, costs 0.015"),
            ("typographic ’".to_owned(), price, "13 of 70 characters in UCS-2, 1 segment, costs 0.0075"),
            ("a".to_owned(), Some(Micros::new(2_100_000)), "1 of 160 characters in GSM-7, 1 segment, costs 2.10"),
        ] {
            assert_eq!(sms(&text, price), size);
        }
    }
}
