//! Every channel to its provider.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_smithy_http_client::tls::{Provider as TlsProvider, rustls_provider::CryptoMode};
use kairos_cloud::inbox::InboxTable;
use kairos_engine::bounds::PROVIDER_TIMEOUT;
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::time::Span;
use kairos_protocol::delivery::{Answer, Content, Provider};
use kairos_protocol::port::Clock;

use crate::email::{Email, Parts};
use crate::messengers::Messengers;
use crate::on_site;
use crate::sms::Sms;
use crate::tokens::Tokens;
use crate::web_push::{Notification, Notifies};
use crate::webhook::{SigningKeys, Webhook};

/// The providers of all channels.
#[derive(Debug)]
pub struct Providers<K, T, W, C> {
    /// SNS.
    pub sms: Sms,
    /// SES.
    pub email: Email,
    /// The shop's endpoint.
    pub webhook: Webhook<K>,
    /// Telegram, Viber, WhatsApp.
    pub messengers: Arc<Messengers<T>>,
    /// The push services of browsers.
    pub web_push: Arc<W>,
    /// The inboxes that messages for the shop's pages wait in.
    pub inbox: InboxTable,
    /// The time that webhooks are signed with, and pauses are measured by.
    pub clock: C,
}

impl<K: SigningKeys, T: Tokens, W: Notifies, C: Clock> Provider for Providers<K, T, W, C> {
    async fn send(&self, order: &DeliveryOrder, content: &Content) -> Answer {
        match content {
            Content::Sms { sender, text } => self.sms.send(order, sender, text).await,
            Content::Email { sender, subject, text, html, unsubscribe } => {
                let email = Parts { subject, text, html: html.as_deref(), unsubscribe: unsubscribe.as_deref() };
                self.email.send(order, sender, email).await
            }
            Content::Webhook { receiver, text } => self.webhook.send(order, receiver, text, self.clock.now()).await,
            Content::OnSite { message, language, priority } => {
                on_site::send(&self.inbox, order, (message, language, *priority), self.clock.now()).await
            }
            Content::WebPush { sender, message, language, browsers } => {
                let notification = Notification { sender, message, language, browsers };
                self.web_push.notify(order, notification, self.clock.now()).await
            }
            Content::Telegram { .. } | Content::Viber { .. } | Content::Whatsapp { .. } => {
                self.messengers.send(order, content, &self.clock).await
            }
        }
    }
}

/// The configuration for clients of providers: one attempt, within [`PROVIDER_TIMEOUT`], each on a
/// connection of its own. Lambda freezes a process between batches, and a connection that died
/// meanwhile looks like an answer that did not arrive: an SMS would be given up for a handshake saved.
pub fn provider_config(config: &aws_types::SdkConfig) -> aws_types::SdkConfig {
    let timeouts = TimeoutConfig::builder().operation_timeout(duration(PROVIDER_TIMEOUT)).build();
    let timeouts = match config.timeout_config().and_then(TimeoutConfig::connect_timeout) {
        Some(connect) => timeouts.to_builder().connect_timeout(connect).build(),
        None => timeouts,
    };
    let http_client = aws_smithy_http_client::Builder::new()
        .pool_max_idle_per_host(0)
        .tls_provider(TlsProvider::Rustls(CryptoMode::Ring))
        .build_https();
    config.to_builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts).http_client(http_client).build()
}

/// A span that is not negative, as the standard library has it.
pub(crate) fn duration(span: Span) -> Duration {
    Duration::from_millis(span.as_millis().unsigned_abs())
}
