//! `genred test-mqtt`.
