// SPDX-FileCopyrightText: 2026 genai.comfyui contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The imitated package unloads all models when a tab closes; the stand-in has none to unload.
