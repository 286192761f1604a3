/* `.jobfs/README`: the page that teaches the mount from inside. */
#pragma once

extern const char readme_text[];
