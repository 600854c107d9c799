//! `catalogue`: takes feeds of products and tells the users who care what became of them.
//!
//! The path of a feed (`PUT` or `POST /v1/catalogue`, `Authorization: Bearer KEY`):
//! 1. [`request`]: what is asked for, by whom, and the text of the body.
//! 2. [`feed`]: the rows of a JSON list, of JSON lines or of a CSV file; [`row`]: each is a listing, or says what is
//!    wrong with it. Up to here everything is pure.
//! 3. [`function`]: `kairos_protocol::catalogue` writes the listings and tells the changes that some play waits for.
//! 4. [`answer`]: what became of each row.
//!
//! Every five minutes a schedule lets it go on with what it had no time to tell.
//!
//! **Invariants:** a row that is wrong does not cost its neighbours; every row has its outcome in the answer. What a
//! row does not tell stays as it was.

pub mod answer;
pub mod feed;
pub mod function;
pub mod request;
pub mod row;
