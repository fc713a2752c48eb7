#![doc = include_str!("../README.md")]

pub use prost_types;
pub use tonic;
pub use tonic_types;

/// Rooms and their participants: the protobuf package `acs.rooms.v1`.
#[allow(clippy::all, rustdoc::invalid_html_tags)]
pub mod v1 {
    include!("generated/acs.rooms.v1.rs");
}

/// Users and their access tokens: the protobuf package `acs.identity.v1`.
pub mod identity {
    #[allow(clippy::all, rustdoc::invalid_html_tags)]
    pub mod v1 {
        include!("generated/acs.identity.v1.rs");
    }
}

// The path by which the package `acs.identity.v1` refers to `acs.rooms.v1`.
mod rooms {
    pub use super::{debug, v1};
}

/// Dry runs: the protobuf package `acs.rooms.debug.v1`.
pub mod debug {
    pub mod v1 {
        include!("generated/acs.rooms.debug.v1.rs");
    }
}

/// The operations of the preview versions: the protobuf package `acs.rooms.legacy.v1`.
pub mod legacy {
    #[allow(clippy::all)]
    pub mod v1 {
        include!("generated/acs.rooms.legacy.v1.rs");
    }
}
