#![doc = include_str!("../README.md")]

pub use prost_types;
pub use tonic;
pub use tonic_types;

/// Rooms and their participants: the protobuf package `acs.rooms.v1`.
#[allow(clippy::all, rustdoc::invalid_html_tags)]
pub mod v1 {
    include!("generated/acs.rooms.v1.rs");
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
