//! An SMS that somebody has sent to one of the shop's numbers, as two-way messaging tells it
//! (<https://docs.aws.amazon.com/sms-voice/latest/userguide/phone-numbers-two-way-sms.html>).

use serde::Deserialize;

/// An SMS from somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmsReply {
    /// Recognises a repetition.
    pub id: String,
    /// Whose number.
    pub from: String,
    /// To which of the shop's numbers.
    pub to: String,
    /// What it says.
    pub text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    origination_number: String,
    destination_number: String,
    #[serde(default)]
    message_body: String,
    inbound_message_id: Option<String>,
}

impl SmsReply {
    /// Reads the message that the topic was told under `message_id`.
    ///
    /// # Errors
    /// When it is of another form.
    pub fn read(text: &str, message_id: &str) -> Result<Self, serde_json::Error> {
        let wire: Wire = serde_json::from_str(text)?;
        Ok(Self {
            id: wire.inbound_message_id.unwrap_or_else(|| message_id.to_owned()),
            from: wire.origination_number,
            to: wire.destination_number,
            text: wire.message_body,
        })
    }
}
