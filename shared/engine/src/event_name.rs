//! One vocabulary for what shops call the same thing: Segment's ecommerce spec and GA4's
//! recommended events. Anything else keeps its own name.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! vocabulary {
    ($( $(#[$doc:meta])* $variant:ident = $segment:literal $(, $also:literal)* ; )*) => {
        /// The name of a tracked event.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventName {
            $( $(#[$doc])* $variant, )*
            /// An event of the shop's own, by the name it was sent with.
            Custom(Box<str>),
        }

        impl EventName {
            /// Every name of the shared vocabulary.
            pub const STANDARD: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The position among [`Self::STANDARD`]; none of a shop's own event.
            pub(crate) fn standard(&self) -> Option<usize> {
                enum Position { $( $variant, )* }
                match self {
                    $( Self::$variant => Some(Position::$variant as usize), )*
                    Self::Custom(_) => None,
                }
            }

            /// The name as Segment's spec writes it, or the shop's own.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $segment, )*
                    Self::Custom(name) => name,
                }
            }

            /// Reads a name from a client: Segment's (in any case, with spaces or underscores) and
            /// GA4's mean the same; whatever is neither stays as it is, trimmed.
            pub fn parse(name: &str) -> Self {
                let name = name.trim();
                $( if same(name, $segment) $( || same(name, $also) )* { return Self::$variant; } )*
                Self::Custom(name.into())
            }
        }
    };
}

vocabulary! {
    /// A search was made.
    ProductsSearched = "Products Searched", "search", "view_search_results";
    /// A list of products was seen.
    ProductListViewed = "Product List Viewed", "view_item_list";
    /// A list of products was narrowed down.
    ProductListFiltered = "Product List Filtered";
    /// A product in a list was chosen.
    ProductClicked = "Product Clicked", "select_item";
    /// A product was looked at.
    ProductViewed = "Product Viewed", "view_item";
    /// A product went into the cart.
    ProductAdded = "Product Added", "add_to_cart";
    /// A product left the cart.
    ProductRemoved = "Product Removed", "remove_from_cart";
    /// The cart was looked at.
    CartViewed = "Cart Viewed", "view_cart";
    /// The cart was shared.
    CartShared = "Cart Shared";
    /// The checkout began.
    CheckoutStarted = "Checkout Started", "begin_checkout";
    /// A step of the checkout was seen.
    CheckoutStepViewed = "Checkout Step Viewed";
    /// A step of the checkout was done.
    CheckoutStepCompleted = "Checkout Step Completed", "add_shipping_info";
    /// Payment details were given.
    PaymentInfoEntered = "Payment Info Entered", "add_payment_info";
    /// An order changed before it was complete.
    OrderUpdated = "Order Updated";
    /// The purchase.
    OrderCompleted = "Order Completed", "purchase";
    /// Money went back.
    OrderRefunded = "Order Refunded", "refund";
    /// The order was called off.
    OrderCancelled = "Order Cancelled";
    /// A promotion was seen.
    PromotionViewed = "Promotion Viewed", "view_promotion";
    /// A promotion was followed.
    PromotionClicked = "Promotion Clicked", "select_promotion";
    /// A coupon was typed in.
    CouponEntered = "Coupon Entered";
    /// A coupon was accepted.
    CouponApplied = "Coupon Applied";
    /// A coupon was refused.
    CouponDenied = "Coupon Denied";
    /// A coupon was taken out.
    CouponRemoved = "Coupon Removed";
    /// A product went onto a wish list.
    ProductAddedToWishlist = "Product Added to Wishlist", "add_to_wishlist";
    /// A product left a wish list.
    ProductRemovedFromWishlist = "Product Removed from Wishlist";
    /// A wished product went into the cart.
    WishlistProductAddedToCart = "Wishlist Product Added to Cart";
    /// A product was shared.
    ProductShared = "Product Shared", "share";
    /// A product was reviewed.
    ProductReviewed = "Product Reviewed";
    /// A place of the shop was entered, as an app says that watches them.
    PlaceEntered = "Place Entered";
    /// A place of the shop was left.
    PlaceLeft = "Place Left";
    /// A link of a message was followed; only signed links tell it.
    MessageLinkClicked = "Message Link Clicked";
    /// A message was opened, by its reader or by their mail program; only signed links tell it.
    MessageOpened = "Message Opened";
    /// Somebody left their address.
    LeadGenerated = "Lead Generated", "generate_lead";
    /// An account was made.
    SignedUp = "Signed Up", "sign_up";
    /// Somebody came back to their account.
    SignedIn = "Signed In", "login";
    /// Somebody agreed to messages, refused them, or was asked for a confirmation.
    ConsentUpdated = "Consent Updated";
    /// Somebody wants no more marketing by email (Segment's email spec).
    Unsubscribed = "Unsubscribed";
    /// An address is dead: it bounced, or its owner complained or sent STOP.
    AddressSuppressed = "Address Suppressed";
    /// An address lives again.
    AddressRestored = "Address Restored";
    /// The receiver's mail server has taken an email (Segment's email spec, as the next two).
    EmailDelivered = "Email Delivered";
    /// An email's address does not exist.
    EmailBounced = "Email Bounced";
    /// The receiver of an email has called it spam.
    EmailMarkedAsSpam = "Email Marked as Spam";
    /// A message of another channel has reached its receiver's phone.
    MessageDelivered = "Message Delivered";
    /// A message of another channel was read.
    MessageRead = "Message Read";
    /// A message will not reach its receiver.
    MessageFailed = "Message Failed";
    /// A browser shows notifications from now on.
    WebPushSubscribed = "Web Push Subscribed";
    /// A browser shows notifications no more, by its user's wish.
    WebPushUnsubscribed = "Web Push Unsubscribed";
    /// A browser has gone, as its push service says; only what became of a message tells it.
    WebPushSubscriptionExpired = "Web Push Subscription Expired";
    /// The app is gone from a device (Segment's mobile spec).
    ApplicationUninstalled = "Application Uninstalled";
    /// The app shows notifications on a device no more, by its user's wish.
    PushDisabled = "Push Disabled";
    /// A device's token is valid no more, as its push service says; only what became of a message tells it.
    MobilePushTokenExpired = "Mobile Push Token Expired";
}

impl EventName {
    /// Whether only signed links may tell of it.
    pub const fn is_of_links(&self) -> bool {
        matches!(self, Self::MessageLinkClicked | Self::MessageOpened)
    }

    /// Whether only what became of a message may tell of it: what comes back from providers, and push services.
    pub const fn is_of_receipts(&self) -> bool {
        matches!(
            self,
            Self::EmailDelivered
                | Self::EmailBounced
                | Self::EmailMarkedAsSpam
                | Self::MessageDelivered
                | Self::MessageRead
                | Self::MessageFailed
                | Self::WebPushSubscriptionExpired
                | Self::MobilePushTokenExpired
        )
    }

    /// Whether a program may have done it as well as a person: mail programs open messages by themselves, providers tell of
    /// them. `any` does not mean such events, or who has turned away would seem to be there.
    pub const fn is_without_person(&self) -> bool {
        match self {
            Self::MessageOpened | Self::AddressSuppressed | Self::AddressRestored => true,
            other => other.is_of_receipts(),
        }
    }
}

/// Equal but for ASCII case and for `_` standing in for a space.
fn same(given: &str, known: &str) -> bool {
    given.len() == known.len() && given.bytes().zip(known.bytes()).all(|(given, known)| fold(given) == fold(known))
}

const fn fold(byte: u8) -> u8 {
    match byte {
        b'_' => b' ',
        other => other.to_ascii_lowercase(),
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for EventName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_and_ga4_names_mean_the_same() {
        for (given, expected) in [
            ("Product Added", EventName::ProductAdded),
            ("product added", EventName::ProductAdded),
            ("product_added", EventName::ProductAdded),
            ("add_to_cart", EventName::ProductAdded),
            (" purchase ", EventName::OrderCompleted),
            ("begin_checkout", EventName::CheckoutStarted),
            ("Coffee Machine Descaled", EventName::Custom("Coffee Machine Descaled".into())),
        ] {
            assert_eq!(EventName::parse(given), expected, "{given}");
        }
    }

    #[test]
    fn every_standard_name_reads_back_as_itself() {
        for (position, name) in EventName::STANDARD.iter().enumerate() {
            assert_eq!(&EventName::parse(name.as_str()), name);
            assert_eq!(name.standard(), Some(position));
        }
    }
}
