package tindra;

import java.nio.ByteBuffer;

/** The four functions of the C library that a spare needs and Java lacks; the library is written when the pack is made. */
final class Native {
    private Native() {
    }

    /** Where the memory of a direct buffer begins. */
    static native long address(ByteBuffer direct);

    /** The C library keeps the pointer: the memory of NAME=value must stay. */
    static native int putenv(long entry);

    static native int clearenv();

    static native int chdir(long path);
}
