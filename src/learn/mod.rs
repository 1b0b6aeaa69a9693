//! Floor 1: fitting heads and judging answers. Pure: numbers in, numbers out.
