//! SMS, by one of two services: [`sns`] and [`end_user_messaging`]. The playbook says which one is asked first, and whether the
//! other one gets what it could not take.

use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::{Purpose, SmsProvider, SmsSettings};
use kairos_engine::time::Timestamp;
use kairos_protocol::delivery::Answer;

pub mod end_user_messaging;
pub mod sns;

use end_user_messaging::EndUserMessaging;
use sns::Sns;

/// Sends SMS.
#[derive(Debug)]
pub struct Sms {
    /// Amazon SNS.
    pub sns: Sns,
    /// AWS End User Messaging.
    pub end_user_messaging: EndUserMessaging,
}

impl Sms {
    /// Sends once, by the provider that the settings name first.
    pub async fn send(&self, order: &DeliveryOrder, sender: &SmsSettings, text: &str, now: Timestamp) -> Answer {
        match sender.provider {
            SmsProvider::Sns => self.sns.send(order, sender, text).await,
            SmsProvider::EndUserMessaging => self.end_user_messaging.send(order, sender, text, now).await,
        }
    }
}

/// Whether its receiver expects it because of what they did: networks let such messages through where they hold up advertising.
fn is_expected(order: &DeliveryOrder) -> bool {
    order.purpose == Purpose::Transactional
}

/// The lower one of two prices, when there is any. What is no number is no price.
fn lower<'a>(one: Option<&'a str>, other: Option<&'a str>) -> Option<&'a str> {
    let price = |text: &'a str| Some((text.parse::<f64>().ok()?, text));
    let prices = [one.and_then(price), other.and_then(price)];
    prices.into_iter().flatten().min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_price_counts() {
        for (one, other, expected) in [
            (Some("0.10"), Some("0.50"), Some("0.10")),
            (Some("2.5"), Some("0.50"), Some("0.50")),
            (Some("10"), Some("9"), Some("9")),
            (None, Some("0.50"), Some("0.50")),
            (Some("0.10"), None, Some("0.10")),
            (None, None, None),
            (Some("dear"), Some("0.50"), Some("0.50")),
        ] {
            assert_eq!(lower(one, other), expected);
        }
    }
}
