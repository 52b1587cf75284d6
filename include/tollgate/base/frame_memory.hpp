#pragma once

#include <cstddef>

namespace tollgate::base {

/// Memory for coroutine frames, and for what lives as long as one: recycled per thread and size
/// class, since a request makes a few dozen of them. Bounded per class; large pieces are not kept.
///
/// Allocate and free on one thread; freeing on another is no error, it only fills that thread's
/// cache. Throws std::bad_alloc.
[[nodiscard]] void* frame_allocate(std::size_t size);
/// `size` is what the piece was asked for with.
void frame_deallocate(void* frame, std::size_t size) noexcept;

}  // namespace tollgate::base
