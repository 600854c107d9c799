//! `redeem`: lets each promo code be used for one order, online or at a till, and tells the user it was given to.
//!
//! The path of a redemption (`POST /v1/redeem`, `Authorization: Bearer KEY`):
//! 1. [`request`]: what is asked for, by whom, and the sale that the body tells of. Up to here everything is pure.
//! 2. [`function`]: `kairos_protocol::promo_codes` uses the code and tells the user.
//! 3. [`answer`]: what became of it.
//!
//! `POST /v1/redeem/check` takes the same body and changes nothing: a till shows the discount before it is paid.
//!
//! **Invariants:** the same order gets the same answer, however often it asks; of different orders that ask for one code
//! one gets it. Neither codes nor orders are logged.
//!
//! Nobody guesses codes here: who may ask at all has the secret key, and a code that was made is hit by one guess in four
//! thousand million when a million are open (`kairos_protocol::promo_codes::SYMBOLS`). A shop whose customers type
//! codes into its own pages limits how often they may try there.

pub mod answer;
pub mod function;
pub mod request;
