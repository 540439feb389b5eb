package tindra;

/** Later. */
public final class Spare {
    private Spare() {
    }

    public static void main(String[] arguments) throws Throwable {
        Start.main(arguments);
    }
}
