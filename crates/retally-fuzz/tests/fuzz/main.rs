//! The fuzz targets: each reads what anybody may have written, and says at its end how many inputs
//! it was given.

mod corpus;
mod logs;
mod texts;
