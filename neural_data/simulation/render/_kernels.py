"""The compiled loop of the renderer: arrays in, arrays out, no checks."""

import numpy as np
from numba import prange

from ....rsa.compiling import njit

OVERSAMPLING = 3  # points per pixel and axis
DISTANCE = 5.0  # of the camera, in radii of the object


@njit(parallel=True)
def draw(vertices, normals, grey, faces, first_vertex, first_face, which, turns, size, ty, tz, lamp, back, out):
    pixels = out.shape[1]
    fine = pixels * OVERSAMPLING
    half = fine / 2.0
    for i in prange(len(which)):
        m, turn = which[i], turns[i]
        v0, f0 = first_vertex[m], first_face[m]
        n = first_vertex[m + 1] - v0
        screen = np.empty((n, 3))  # column, row, nearness
        light = np.empty((n, 2))  # of the face that looks along the normal, and of its back
        for k in range(n):
            x, y, z = vertices[v0 + k, 0], vertices[v0 + k, 1], vertices[v0 + k, 2]
            px = turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z
            py = turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z
            pz = turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z
            near = 1.0 / (DISTANCE - px)
            screen[k, 0] = half * (1.0 + ty[i] + size[i] * DISTANCE * near * py)
            screen[k, 1] = half * (1.0 - tz[i] - size[i] * DISTANCE * near * pz)
            screen[k, 2] = near
            x, y, z = normals[v0 + k, 0], normals[v0 + k, 1], normals[v0 + k, 2]
            nx = turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z
            ny = turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z
            nz = turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z
            toward = nx * lamp[0] + ny * lamp[1] + nz * lamp[2]
            light[k, 0] = grey[v0 + k] * (0.38 + 0.12 * nz + 0.70 * max(toward, 0.0))
            light[k, 1] = grey[v0 + k] * (0.38 - 0.12 * nz + 0.70 * max(-toward, 0.0))
        depth = np.zeros((fine, fine), np.float32)
        shade = np.zeros((fine, fine), np.float32)
        for f in range(f0, first_face[m + 1]):
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            ax, ay, bx, by = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1]
            cx, cy = screen[c, 0], screen[c, 1]
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if area == 0.0:
                continue
            side = 0 if area < 0.0 else 1  # rows grow downwards
            r0, r1 = max(int(np.ceil(min(ay, by, cy) - 0.5)), 0), min(int(max(ay, by, cy) - 0.5), fine - 1)
            c0, c1 = max(int(np.ceil(min(ax, bx, cx) - 0.5)), 0), min(int(max(ax, bx, cx) - 0.5), fine - 1)
            for row in range(r0, r1 + 1):
                y = row + 0.5
                for column in range(c0, c1 + 1):
                    x = column + 0.5
                    wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                    wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                    wc = 1.0 - wa - wb
                    if wa < 0.0 or wb < 0.0 or wc < 0.0:
                        continue
                    near = wa * screen[a, 2] + wb * screen[b, 2] + wc * screen[c, 2]
                    if near > depth[row, column]:
                        depth[row, column] = near
                        shade[row, column] = wa * light[a, side] + wb * light[b, side] + wc * light[c, side]
        for row in range(pixels):
            for column in range(pixels):
                total = 0.0
                for r in range(row * OVERSAMPLING, (row + 1) * OVERSAMPLING):
                    for s in range(column * OVERSAMPLING, (column + 1) * OVERSAMPLING):
                        total += shade[r, s] if depth[r, s] > 0.0 else back[i, row, column]
                value = 255.0 * total / (OVERSAMPLING * OVERSAMPLING)
                out[i, row, column] = int(min(max(value, 0.0), 255.0) + 0.5)
