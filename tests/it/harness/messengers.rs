//! A server that plays Telegram, Viber, WhatsApp, the push services of browsers and AWS End User Messaging as they document
//! themselves, their failures included.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use kairos_engine::playbook::Channel;
use serde_json::{Value, json};

use super::receiver::{Delivered, Receiver, Reply};

/// The token of the Telegram bot that it knows.
pub(crate) const TELEGRAM_TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
/// The token of the Viber bot.
pub(crate) const VIBER_TOKEN: &str = "445da6az1s345z78-dazcczb2542zv51a-e0vc5fva17480im9";
/// The token of the WhatsApp number.
pub(crate) const WHATSAPP_TOKEN: &str = "EAAJB0ZBexampleToken";
/// The id of the WhatsApp number.
pub(crate) const PHONE_NUMBER_ID: &str = "106540352242922";

/// What a messenger does with one message, where it does not simply take it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mood {
    /// Says "too many".
    Limited,
    /// Says that this user has blocked the shop, or is not there.
    Blocked,
    /// Says that it does not serve this user's country.
    NotServed,
    /// Takes it, and its answer does not arrive in time.
    TakesAndIsSilent,
    /// Takes it, and the connection breaks before its answer.
    TakesAndHangsUp,
}

/// A message that a messenger has taken.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// To whom.
    pub(crate) to: String,
    /// The whole call.
    pub(crate) body: Value,
}

#[derive(Debug, Default)]
struct World {
    moods: BTreeMap<String, VecDeque<Mood>>,
    is_out_of_order: bool,
    taken: Vec<Taken>,
    pushed: Vec<Delivered>,
}

/// The server.
#[derive(Clone, Debug)]
pub(crate) struct Messengers {
    receiver: Receiver,
    world: Arc<Mutex<World>>,
}

impl Messengers {
    /// Listens on a free port, for as long as this process lives.
    pub(crate) async fn start() -> std::io::Result<Self> {
        let world: Arc<Mutex<World>> = Arc::default();
        let inside = Arc::clone(&world);
        let receiver = Receiver::start_with(move |call| inside.lock().unwrap().reply(call)).await?;
        Ok(Self { receiver, world })
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> String {
        self.receiver.authority()
    }

    /// What becomes of the next messages to this address; those after them are simply taken.
    pub(crate) fn will(&self, address: &str, moods: &[Mood]) {
        self.world.lock().unwrap().moods.entry(address.to_owned()).or_default().extend(moods);
    }

    /// Whether WhatsApp takes nothing for a while, whoever it is for.
    pub(crate) fn is_out_of_order(&self, is_so: bool) {
        self.world.lock().unwrap().is_out_of_order = is_so;
    }

    /// The messages to this address that were taken.
    pub(crate) fn taken(&self, address: &str) -> Vec<Taken> {
        self.world.lock().unwrap().taken.iter().filter(|taken| taken.to == address).cloned().collect()
    }

    /// The notifications that were taken for the browser at this endpoint.
    pub(crate) fn pushed(&self, endpoint: &str) -> Vec<Delivered> {
        let path = push_path(endpoint);
        self.world.lock().unwrap().pushed.iter().filter(|call| call.path == path).cloned().collect()
    }

    /// How many calls there were for this address.
    pub(crate) fn calls(&self, address: &str) -> usize {
        self.receiver.received_with(address).len()
    }
}

/// Where a stand-in gets what goes to an endpoint.
fn push_path(endpoint: &str) -> String {
    format!("/web_push/{}", endpoint.trim_start_matches("https://"))
}

impl World {
    /// What a push service answers (RFC 8030, section 5).
    fn push(&mut self, call: &Delivered) -> Reply {
        let header = |name: &str| call.headers.get(name).map(String::as_str).unwrap_or_default();
        let is_complete = header("content-encoding") == "aes128gcm"
            && header("ttl").parse::<u32>().is_ok()
            && (86..=4_096).contains(&call.body.len());
        if !header("authorization").starts_with("vapid t=") {
            return Reply::Says("401 Unauthorized", String::new());
        }
        if !is_complete {
            return Reply::Says("400 Bad Request", String::new());
        }
        let endpoint = call.path.replacen("/web_push/", "https://", 1);
        match self.moods.get_mut(&endpoint).and_then(VecDeque::pop_front) {
            Some(Mood::Limited) => Reply::Says("429 Too Many Requests\r\nretry-after: 1", String::new()),
            Some(Mood::Blocked | Mood::NotServed) => Reply::Says("410 Gone", String::new()),
            mood => {
                self.pushed.push(call.clone());
                match mood {
                    None => Reply::Says("201 Created", String::new()),
                    Some(Mood::TakesAndIsSilent) => Reply::Silent,
                    Some(_) => Reply::HangsUp,
                }
            }
        }
    }

    /// What AWS End User Messaging answers to `SendTextMessage`
    /// (<https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html>).
    fn sms(&mut self, call: &Delivered) -> Reply {
        let header = |name: &str| call.headers.get(name).map(String::as_str).unwrap_or_default();
        let signed = header("authorization");
        if !signed.starts_with("AWS4-HMAC-SHA256 Credential=") || !signed.contains("/sms-voice/aws4_request, ") {
            return sms_refusal("400 Bad Request", "AccessDeniedException", "");
        }
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let is_complete = header("x-amz-target") == "PinpointSMSVoiceV2.SendTextMessage"
            && header("content-type") == "application/x-amz-json-1.0"
            && ["DestinationPhoneNumber", "MessageBody"].iter().all(|name| body[*name].is_string());
        if !is_complete {
            return sms_refusal("400 Bad Request", "ValidationException", "MISSING_PARAMETER");
        }
        let to = body["DestinationPhoneNumber"].as_str().unwrap_or_default().to_owned();
        match self.moods.get_mut(&to).and_then(VecDeque::pop_front) {
            Some(Mood::Limited) => sms_refusal("400 Bad Request", "ThrottlingException", ""),
            Some(Mood::Blocked) => {
                sms_refusal("400 Bad Request", "ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT")
            }
            Some(Mood::NotServed) => sms_refusal("400 Bad Request", "ValidationException", "COUNTRY_NOT_ENABLED"),
            mood => {
                let id = format!("eum-{}", self.taken.len() + 1);
                self.taken.push(Taken { to, body });
                match mood {
                    None => says("200 OK", &json!({ "MessageId": id })),
                    Some(Mood::TakesAndIsSilent) => Reply::Silent,
                    Some(_) => Reply::HangsUp,
                }
            }
        }
    }

    fn reply(&mut self, call: &Delivered) -> Reply {
        if call.path.starts_with("/web_push/") {
            return self.push(call);
        }
        if call.path == "/sms" {
            return self.sms(call);
        }
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let header = |name: &str| call.headers.get(name).map(String::as_str).unwrap_or_default();
        let (channel, to, is_authorised) = match call.path.split('/').nth(1) {
            Some("telegram") => {
                let method = call.path.strip_prefix(&format!("/telegram/bot{TELEGRAM_TOKEN}/"));
                let chat = body["chat_id"].as_u64().map(|chat| chat.to_string()).unwrap_or_default();
                (Channel::Telegram, chat, matches!(method, Some("sendMessage" | "sendPhoto")))
            }
            Some("viber") => {
                let is_authorised =
                    header("x-viber-auth-token") == VIBER_TOKEN && call.path == "/viber/pa/send_message";
                (Channel::Viber, body["receiver"].as_str().unwrap_or_default().to_owned(), is_authorised)
            }
            _ => {
                let is_authorised = header("authorization") == format!("Bearer {WHATSAPP_TOKEN}")
                    && call.path == format!("/whatsapp/v25.0/{PHONE_NUMBER_ID}/messages");
                (Channel::Whatsapp, body["to"].as_str().unwrap_or_default().to_owned(), is_authorised)
            }
        };
        if !is_authorised {
            return match channel {
                Channel::Telegram => telegram(401, "Unauthorized", json!({})),
                Channel::Viber => viber(2, "invalidAuthToken"),
                _ => whatsapp("401 Unauthorized", 190, "Invalid OAuth access token"),
            };
        }
        if self.is_out_of_order && channel == Channel::Whatsapp {
            return whatsapp("503 Service Unavailable", 131_016, "Service overloaded");
        }
        let mood = self.moods.get_mut(&to).and_then(VecDeque::pop_front);
        match (mood, channel) {
            (Some(Mood::Limited), Channel::Telegram) => {
                telegram(429, "Too Many Requests: retry after 1", json!({ "retry_after": 1 }))
            }
            (Some(Mood::Limited), Channel::Viber) => viber(12, "tooManyRequests"),
            (Some(Mood::Limited), _) => whatsapp("429 Too Many Requests", 130_429, "Rate limit hit"),
            (Some(Mood::Blocked | Mood::NotServed), Channel::Telegram) => {
                telegram(403, "Forbidden: bot was blocked by the user", json!({}))
            }
            (Some(Mood::Blocked | Mood::NotServed), Channel::Viber) => viber(6, "notSubscribed"),
            (Some(Mood::Blocked | Mood::NotServed), _) => whatsapp("400 Bad Request", 131_026, "Message undeliverable"),
            (mood, _) => {
                let number = self.taken.len() + 1;
                self.taken.push(Taken { to: to.clone(), body });
                match (mood, channel) {
                    (Some(Mood::TakesAndIsSilent), _) => Reply::Silent,
                    (Some(_), _) => Reply::HangsUp,
                    (None, Channel::Telegram) => {
                        says("200 OK", &json!({ "ok": true, "result": { "message_id": number } }))
                    }
                    (None, Channel::Viber) => {
                        says("200 OK", &json!({ "status": 0, "status_message": "ok", "message_token": number }))
                    }
                    (None, _) => says(
                        "200 OK",
                        &json!({ "messaging_product": "whatsapp", "contacts": [{ "input": to, "wa_id": to }],
                            "messages": [{ "id": format!("wamid.{number}") }] }),
                    ),
                }
            }
        }
    }
}

fn says(status: &'static str, body: &Value) -> Reply {
    Reply::Says(status, body.to_string())
}

/// An error in AWS JSON 1.0.
fn sms_refusal(status: &'static str, code: &str, reason: &str) -> Reply {
    let mut body = json!({ "__type": format!("com.amazonaws.pinpointsmsvoicev2#{code}"), "Message": "as it says it" });
    if !reason.is_empty() {
        body["Reason"] = reason.into();
    }
    says(status, &body)
}

fn telegram(code: u16, description: &str, parameters: Value) -> Reply {
    let status = match code {
        401 => "401 Unauthorized",
        403 => "403 Forbidden",
        _ => "429 Too Many Requests",
    };
    says(status, &json!({ "ok": false, "error_code": code, "description": description, "parameters": parameters }))
}

/// Viber says 200 whatever happened.
fn viber(status: i64, message: &str) -> Reply {
    says("200 OK", &json!({ "status": status, "status_message": message, "chat_hostname": "SN-CHAT-01_" }))
}

fn whatsapp(status: &'static str, code: i64, message: &str) -> Reply {
    let error = json!({ "message": format!("(#{code}) {message}"), "type": "OAuthException", "code": code,
        "error_data": { "messaging_product": "whatsapp", "details": message }, "fbtrace_id": "A8lHJqTMn" });
    says(status, &json!({ "error": error }))
}
